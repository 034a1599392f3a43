"""Raw logs as a shop's servers leave them: the same for the same day, with all that is wrong with such files."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

DAYS = ("2024-02-28", "2024-02-29", "2024-03-01")
USERS = range(1, 121)
PRODUCTS = range(1, 41)
CATEGORIES = (" Books ", "Garden", "TOYS", "käse & Wein", "")
COUNTRIES = ("de", "FR", "pl", "xx", None)
NAMES = ("Zoë", "Łukasz", "Ana  María", "O'Neil", "李")
PIECES = ("1", "2", "3", "\\N", "0")
CUTS = ("tea", "neu", "sale", "日本", "été", "")


def write_dimensions(raw: Path) -> None:
    """Products as CSV, users as JSON, countries with bars."""
    chance = random.Random("dimensions")
    lines = ["product_id,name,category,price"]
    for number in PRODUCTS:
        name = f'the ""{chance.choice(CUTS)}"" no. {number}, new'
        lines.append(f'"{number}","{name}","{chance.choice(CATEGORIES)}","{number * 7 % 50}.{number % 100:02}"')
    lines += ['"x9","no number","books","1"', "41,plain,garden,not dear", '"42","two', ""]
    _write(raw / "products" / "catalogue.csv", "\n".join(lines))
    people = []
    for number in USERS:
        person = {
            "id": number,
            "name": f"  {chance.choice(NAMES)}   {number} ",
            "country": chance.choice(COUNTRIES),
            "joined": f"20{chance.randint(10, 24)}-0{chance.randint(1, 9)}-{chance.randint(10, 28)}",
            "address": {"city": chance.choice(["Köln", "Lyon", None]), "zip": f"{number:05}"},
            "interests": chance.choice([["tea", "books"], ["été"], [], ["a", "", "c"], None]),
        }
        if number % 17 == 0:
            del person["address"], person["joined"]
        people.append(json.dumps(person, ensure_ascii=number % 2 == 0))
    _write(raw / "users" / "users.json", "\n".join(people) + "\n")
    _write(
        raw / "countries" / "all.txt",
        "DE|Germany|Europe|0.19\nFR|Frañce|Europe|0.2\nPL|Poland|\\N|n/a\nUS|United States\n",
    )


def write_day(raw: Path, day: str) -> None:
    """A day's clicks, orders of the application and access logs."""
    _write(raw / "clicks" / f"ds={day}" / "web-1.log", _clicks(day, "web-1", 700))
    _write(raw / "clicks" / f"ds={day}" / "web-2.log", _clicks(day, "web-2", 500))
    for hour in (9, 17):
        _write(raw / "app_orders" / f"ds={day}" / f"hr={hour}" / "000000_0", _orders(day, hour))
    _write(raw / "access" / f"log-{day}" / "lb.log", _access(day))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _clicks(day: str, server: str, count: int) -> str:
    """Tabs between fields; no user has two clicks in one second. The last line is torn."""
    chance = random.Random(f"{day} {server}")
    at = datetime.fromisoformat(day) + timedelta(seconds=0 if server == "web-1" else 1)
    lines = []
    for number in range(count):
        at += timedelta(seconds=2 * chance.randint(1, 55))
        lines.append(_click(chance, number, at))
    return "\n".join(lines) + "\n" + lines[0][:31]


def _click(chance: random.Random, number: int, at: datetime) -> str:
    """One line; of every hundred some are wrong in one way each."""
    event = chance.choice(["view"] * 6 + [" Cart", "cart", "PURCHASE", "purchase "])
    user = chance.choice(USERS) if number % 3 else chance.choice(range(1, 9))
    lang = chance.choice(["?lang=DE&x=1", "?x=1&lang=fr", "", "?lang=", "#frag"])
    host = chance.choice(["shop.example", "m.shop.example", "shop.example", "evil.example"])
    path = chance.choice(["/", "/p/1", "/käse", "/cart", "/a b"])
    fields = [
        at.strftime("%Y-%m-%d %H:%M:%S"),
        str(user),
        event,
        f"https://{host}{path}{lang}",
        str(chance.choice(PRODUCTS)) if number % 11 else "-",
        f"{chance.randint(0, 9000) / 100:.2f}" if event.strip().lower() == "purchase" else "-",
        ",".join(chance.sample(CUTS[:5], chance.randint(1, 3))) if number % 7 else "-",
        ",".join(f"{key}:{chance.choice(['a', 'b', 'ü'])}" for key in chance.sample(["utm", "device", "ab"], 2)),
    ]
    wrong = chance.randint(0, 99)
    if wrong == 0:
        fields[0] = chance.choice(["-", "yesterday", ""])
    elif wrong == 1:
        fields[1] = chance.choice(["-", "12a", "99999999999999999999"])
    elif wrong == 2:
        fields[2] = chance.choice(["-", "", "crash", "\\\tview"])
    elif wrong == 3:
        fields[5] = chance.choice(["-5.00", "free", "1e3", "12.345"])
    elif wrong == 4:
        fields = fields[: chance.randint(1, 7)]
    elif wrong == 5:
        fields += ["one", "more"]
    elif wrong == 6:
        fields[6] = "with\\,comma,plain\\\\back"
    elif wrong == 7:
        return chance.choice(["", "garbage", "\t\t\t\t\t\t\t"])
    return "\t".join(fields)


def _orders(day: str, hour: int) -> str:
    """Hive's own delimiters: ^A between fields, ^B between items, ^C within them."""
    chance = random.Random(f"{day} {hour}")
    lines = []
    for number in range(60):
        items = "\2".join(
            "\3".join((str(chance.choice(PRODUCTS)), chance.choice(PIECES), str(chance.randint(0, 800) / 16)))
            for _ in range(chance.randint(1, 3))
        )
        order = f"{hour}{number:04}" if number % 19 else "\\N"
        user = str(chance.choice(USERS)) if number % 13 else "\\N"
        when = f"{day} {hour:02}:{number % 60:02}:{chance.randint(0, 59):02}"
        fields = [order, user, when, items if number % 10 else "\\N", chance.choice(["", "\\N", "für dich"])]
        lines.append("\1".join(fields[: 3 if number == 31 else 5]))
    return "\n".join(lines) + "\n"


def _access(day: str) -> str:
    """Lines of a load balancer, and such as are none."""
    chance = random.Random(f"{day} access")
    lines = []
    for number in range(300):
        method = chance.choice(["GET", "GET", "POST", "HEAD"])
        status = chance.choice(["200", "200", "304", "404", "500", "-"])
        size = chance.choice([str(chance.randint(0, 99999)), "-"])
        lines.append(f'10.0.0.{number % 250} [{day}:{number % 24:02}] "{method} /p/{number % 40}?ü" {status} {size}')
    return "\n".join([*lines[:100], "what is this", "", *lines[100:], "10.0.0.1 [torn"])


def write_late(raw: Path, day: str) -> None:
    """A file that comes when its day is long over, and one that is replaced by a longer one."""
    lines = _clicks(day, "web-3", 60).splitlines()
    # other users than those of the other servers: no user has two clicks in one second
    moved = [line.replace("\t", "\t1000", 1) for line in lines]
    _write(raw / "clicks" / f"ds={day}" / "web-3.log", "\n".join(moved) + "\n")
    place = raw / "access" / f"log-{day}" / "lb.log"
    place.write_bytes(place.read_bytes() + b'\n10.0.0.9 [late] "GET /late?\xc3\xbc" 500 17')
