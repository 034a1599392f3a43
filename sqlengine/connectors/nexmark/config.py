"""What shapes the NEXMark events: numbers of the benchmark's definition, and the few that a user may set."""

from __future__ import annotations

from sqlengine.errors import InvalidParameter
from sqlengine.quick_dataclass import dataclass

FIRST_PERSON_ID = 1000
FIRST_AUCTION_ID = 1000
FIRST_CATEGORY_ID = 10
CATEGORIES = 5
ACTIVE_PEOPLE = 1000
IN_FLIGHT_AUCTIONS = 100
PERSON_ID_LEAD = 10
AUCTION_ID_LEAD = 10
HOT_EVERY = 100
"""One auction, seller or bidder in so many is the hot one of its time."""
CHANNELS = 10_000
HOT_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
CITIES = (
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne",
)  # fmt: skip
STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
FIRST_NAMES = ("Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter")
LAST_NAMES = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")


@dataclass(frozen=True, slots=True)
class NexmarkConfig:
    """`event_rate`: events per second of event time (100,000 is the benchmark's second workload: 100
    million events are 1,000 seconds); `base_time_ms`: event 0, milliseconds since the epoch; hot ratio r: 1
    - 1/r of the choices are hot; proportions: events of each kind in one round."""

    seed: int = 0
    event_rate: int = 100_000
    base_time_ms: int = 1_436_918_400_000
    person_proportion: int = 1
    auction_proportion: int = 3
    bid_proportion: int = 46
    hot_auction_ratio: int = 2
    hot_bidder_ratio: int = 4
    hot_seller_ratio: int = 4
    hot_channel_ratio: int = 2
    naming: str = "snake"

    def __post_init__(self) -> None:
        if min(self.person_proportion, self.auction_proportion) < 1:
            raise InvalidParameter("nexmark needs at least one person and one auction in each round of events")

    @property
    def round_length(self) -> int:
        """Events of all kinds in one round."""
        return self.person_proportion + self.auction_proportion + self.bid_proportion

    def kind(self, table: str) -> tuple[int, int]:
        """Where in a round the events of `table` begin, and how many they are."""
        return {
            "person": (0, self.person_proportion),
            "auction": (self.person_proportion, self.auction_proportion),
            "bid": (self.person_proportion + self.auction_proportion, self.bid_proportion),
        }[table]

    def count_before(self, table: str, event: int) -> int:
        """How many events of `table` have a number below `event`."""
        begin, length = self.kind(table)
        rounds, offset = divmod(event, self.round_length)
        return rounds * length + min(max(offset - begin, 0), length)

    def event_of(self, table: str, ordinal: int) -> int:
        """The event number of the table's row `ordinal`: the inverse of count_before."""
        begin, length = self.kind(table)
        return ordinal // length * self.round_length + begin + ordinal % length
