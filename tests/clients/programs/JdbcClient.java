/* What PostgreSQL's driver for Java asks: java -cp postgresql.jar JdbcClient.java PORT DATABASE.  Answers in JSON. */

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;

public class JdbcClient {
    interface Question {
        Object answer() throws Exception;
    }

    private static final List<String> answers = new ArrayList<>();

    static void ask(String name, Question question) {
        String found;
        try {
            found = String.valueOf(question.answer());
        } catch (SQLException failed) {
            found = "failed " + failed.getSQLState();
        } catch (Exception failed) {
            found = "failed " + failed;
        }
        answers.add(quoted(name) + ": " + quoted(found));
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }

    static String rows(ResultSet found, String... columns) throws SQLException {
        List<String> lines = new ArrayList<>();
        while (found.next()) {
            List<String> cells = new ArrayList<>();
            for (String column : columns) cells.add(found.getString(column));
            lines.add(String.join(",", cells));
        }
        return String.join("; ", lines);
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/" + arguments[1];
        Properties properties = new Properties();
        properties.put("user", "me");
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            metadata(connection.getMetaData());
            statements(connection);
        }
        properties.put("preferQueryMode", "simple");
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            ask("simple protocol", () -> {
                PreparedStatement made = connection.prepareStatement("SELECT ? || ? AS x");
                made.setString(1, "o'");
                made.setString(2, "b\\");
                return rows(made.executeQuery(), "x");
            });
        }
        System.out.println("{" + String.join(",\n", answers) + "}");
    }

    static void metadata(DatabaseMetaData of) throws SQLException {
        String[] kinds = {"TABLE", "VIEW", "MATERIALIZED VIEW"};
        ask("product", () -> of.getDatabaseProductName() + " " + of.getDatabaseMajorVersion());
        ask("tables", () -> rows(of.getTables(null, "public", "%", kinds), "TABLE_NAME", "TABLE_TYPE"));
        ask("tables of a schema", () -> rows(of.getTables(null, "sales", "%", null), "TABLE_NAME", "TABLE_TYPE"));
        ask("columns", () -> rows(of.getColumns(null, "public", "customers", "%"), "COLUMN_NAME", "TYPE_NAME", "DATA_TYPE",
            "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "COLUMN_DEF", "ORDINAL_POSITION"));
        ask("columns of a view", () -> rows(of.getColumns(null, "public", "totals", "%"), "COLUMN_NAME", "TYPE_NAME"));
        ask("primary key", () -> rows(of.getPrimaryKeys(null, "sales", "items"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
        ask("indexes", () -> rows(of.getIndexInfo(null, "public", "customers", false, false), "INDEX_NAME", "NON_UNIQUE", "COLUMN_NAME"));
        ask("foreign keys", () -> rows(of.getImportedKeys(null, "public", "customers"), "FK_NAME"));
        ask("best row identifier", () -> rows(of.getBestRowIdentifier(null, "public", "customers", 0, true), "COLUMN_NAME"));
        ask("table types", () -> rows(of.getTableTypes(), "TABLE_TYPE"));
        ask("procedures", () -> rows(of.getProcedures(null, "public", "%"), "PROCEDURE_NAME"));
        ask("longest name", () -> of.getMaxColumnNameLength());
        ask("isolation", () -> of.getDefaultTransactionIsolation());
    }

    static void statements(Connection connection) throws SQLException {
        Statement plain = connection.createStatement();
        ask("schema", () -> connection.getSchema());
        ask("by key, prepared by the server in the end", () -> {
            PreparedStatement made = connection.prepareStatement("SELECT id, name FROM customers WHERE id = ?");
            String found = "";
            for (int i = 0; i < 8; i++) {
                made.setLong(1, 1 + i % 2);
                found += rows(made.executeQuery(), "name") + ";";
            }
            return found;
        });
        ask("types", () -> {
            PreparedStatement made = connection.prepareStatement("SELECT ?::int AS a, ?::text AS b, ?::numeric(10,2) AS c, ?::timestamp AS d, "
                + "?::date AS e, ?::bool AS f, ?::float8 AS g, ?::uuid AS h, ?::int[] AS i, ?::bigint AS j");
            Object[] values = {7, "x", new BigDecimal("1.50"), Timestamp.valueOf("2024-01-02 03:04:05.6"), java.time.LocalDate.of(2024, 2, 29),
                true, 1.5, UUID.fromString("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), connection.createArrayOf("int4", new Integer[] {1, null}), null};
            for (int i = 0; i < values.length; i++) made.setObject(i + 1, values[i]);
            String found = "";
            for (int i = 0; i < 7; i++) found = rows(made.executeQuery(), "a", "b", "c", "d", "e", "f", "g", "h", "j");
            return found;
        });
        ask("a batch", () -> {
            PreparedStatement made = connection.prepareStatement("INSERT INTO customers (id, name) VALUES (?, ?)");
            for (int i = 100; i < 200; i++) {
                made.setLong(1, i);
                made.setString(2, "n" + i);
                made.addBatch();
            }
            return made.executeBatch().length;
        });
        ask("generated keys", () -> {
            PreparedStatement made = connection.prepareStatement("INSERT INTO customers (id, name) VALUES (900, 'g')", new String[] {"id"});
            made.executeUpdate();
            return rows(made.getGeneratedKeys(), "id");
        });
        ask("in pieces", () -> {
            connection.setAutoCommit(false);
            plain.setFetchSize(10);
            ResultSet found = plain.executeQuery("SELECT id FROM customers");
            int count = 0;
            while (found.next()) count++;
            connection.commit();
            connection.setAutoCommit(true);
            return count;
        });
        ask("a savepoint", () -> {
            connection.setAutoCommit(false);
            plain.executeUpdate("DELETE FROM customers WHERE id >= 100");
            Savepoint before = connection.setSavepoint();
            try {
                plain.executeQuery("SELECT nope");
            } catch (SQLException failed) {
                connection.rollback(before);
            }
            connection.commit();
            connection.setAutoCommit(true);
            return rows(plain.executeQuery("SELECT count(*) AS n FROM customers"), "n");
        });
        ask("an error", () -> plain.executeQuery("SELECT nope FROM customers"));
        ask("too long", () -> {
            Statement slow = connection.createStatement();
            slow.setQueryTimeout(1);
            return slow.executeQuery("SELECT pg_sleep(30)");
        });
        ask("copy in", () -> connection.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY customers (id, name) FROM STDIN CSV",
            new java.io.StringReader("1000,a\n1001,b\n")));
        ask("copy out", () -> {
            java.io.StringWriter out = new java.io.StringWriter();
            connection.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY (SELECT id FROM customers WHERE id > 2 ORDER BY id) TO STDOUT", out);
            plain.executeUpdate("DELETE FROM customers WHERE id >= 1000");
            return out;
        });
        ask("a notification", () -> {
            plain.execute("LISTEN news");
            plain.execute("NOTIFY news, 'hello'");
            return connection.unwrap(PGConnection.class).getNotifications(1000)[0].getParameter();
        });
        ask("columns of a result", () -> {
            ResultSetMetaData of = plain.executeQuery("SELECT id, name, tags, score, total FROM customers, totals").getMetaData();
            String found = "";
            for (int i = 1; i <= of.getColumnCount(); i++) found += of.getColumnLabel(i) + " " + of.getColumnTypeName(i) + " " + of.getScale(i) + "; ";
            return found;
        });
        ask("two answers", () -> {
            plain.execute("SELECT 1 AS n; SELECT 2 AS n");
            plain.getMoreResults();
            return rows(plain.getResultSet(), "n");
        });
        ask("parameters", () -> connection.prepareStatement("SELECT * FROM customers WHERE id = ? AND name LIKE ?").getParameterMetaData()
            .getParameterTypeName(1));
        ask("valid", () -> connection.isValid(2));
    }
}
