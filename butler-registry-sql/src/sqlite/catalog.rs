//! Tables: how they are made, and how their specifications are read back.
//!
//! A CREATE TABLE statement has one line a column, with the comment at its end;
//! SQLite keeps the text. Unique rules and indexes are named by their place in
//! the specification, with a character that no table's name has. An exclusion
//! is an index and two triggers.

use std::fmt::Write as _;

use arcstr::ArcStr;
use butler_core::backend::{
    ColumnSpec, ColumnType, Exclusion, ForeignKey, IndexSpec, OnDelete, TableSpec, UniqueSpec, Value,
};
use butler_core::{Error, ErrorKind, Result};

use super::session::{SqliteSession, sql_type};
use crate::sql::{Bind, Fragment, Session, check_references, conflicting, names, quoted, same_table};

/// Begins the message of a violated exclusion; [`crate::error`] knows it.
pub(crate) const EXCLUDED: &str = "EXCLUSION constraint failed: ";

/// Tables that are not the caller's.
const OWN: &str =
    "m.type = 'table' AND m.name NOT GLOB 'sqlite_*' AND m.name <> '__diesel_schema_migrations'";

/// The statements that create a table.
pub(crate) fn ddl(spec: &TableSpec) -> String {
    let mut lines: Vec<(String, Option<&ArcStr>)> = Vec::new();
    for column in &spec.columns {
        let mut line = format!("  {} {}", quoted(&column.name), sql_type(column.ty));
        if spec.identity.as_ref() == Some(&column.name) {
            line.push_str(" PRIMARY KEY AUTOINCREMENT");
        }
        if !column.nullable {
            line.push_str(" NOT NULL");
        }
        if column.ty == ColumnType::Bool {
            let _ = write!(line, " CHECK ({} IN (0, 1))", quoted(&column.name));
        }
        lines.push((line, Some(&column.comment)));
    }
    if spec.identity.is_none() {
        lines.push((format!("  PRIMARY KEY ({})", names(&spec.primary_key)), None));
    }
    if let Some(Exclusion { begin, end, .. }) = &spec.exclusion {
        lines.push((format!("  CHECK ({} < {})", quoted(begin), quoted(end)), None));
    }
    for key in &spec.foreign_keys {
        let mut line = format!("  FOREIGN KEY ({}) REFERENCES ", names(&key.columns));
        let _ = write!(line, "{} ({})", quoted(&key.table), names(&key.referenced));
        if key.on_delete == OnDelete::Cascade {
            line.push_str(" ON DELETE CASCADE");
        }
        lines.push((line, None));
    }
    let mut sql = format!("CREATE TABLE {} (", quoted(&spec.name));
    push_comment(&mut sql, &spec.comment);
    let count = lines.len();
    for (index, (line, comment)) in lines.into_iter().enumerate() {
        sql.push_str(&line);
        if index + 1 < count {
            sql.push(',');
        }
        push_comment(&mut sql, comment.map_or("", ArcStr::as_str));
    }
    sql.push_str(if spec.identity.is_some() { ") STRICT;\n" } else { ") STRICT, WITHOUT ROWID;\n" });
    for (index, rule) in spec.unique.iter().enumerate() {
        push_index(&mut sql, "UNIQUE INDEX", spec, &format!("u{index}"), &rule.columns);
    }
    for (index, rule) in spec.indexes.iter().enumerate() {
        push_index(&mut sql, "INDEX", spec, &format!("i{index}"), &rule.columns);
    }
    if let Some(rule) = &spec.exclusion {
        push_exclusion(&mut sql, spec, rule);
    }
    sql
}

fn push_comment(sql: &mut String, comment: &str) {
    if !comment.is_empty() {
        sql.push_str(" -- ");
        sql.push_str(&escaped(comment));
    }
    sql.push('\n');
}

fn push_index(sql: &mut String, kind: &str, spec: &TableSpec, suffix: &str, columns: &[ArcStr]) {
    let name = quoted(&format!("{}:{suffix}", spec.name));
    let _ = writeln!(sql, "CREATE {kind} {name} ON {} ({});", quoted(&spec.name), names(columns));
}

fn push_exclusion(sql: &mut String, spec: &TableSpec, rule: &Exclusion) {
    let columns: Vec<ArcStr> = rule.equal.iter().chain([&rule.begin, &rule.end]).cloned().collect();
    push_index(sql, "INDEX", spec, "x", &columns);
    let table = quoted(&spec.name);
    let mut overlap: Vec<String> =
        rule.equal.iter().map(|name| format!("o.{0} = NEW.{0}", quoted(name))).collect();
    overlap.push(format!("o.{} < NEW.{}", quoted(&rule.begin), quoted(&rule.end)));
    overlap.push(format!("o.{} > NEW.{}", quoted(&rule.end), quoted(&rule.begin)));
    let same: Vec<String> =
        spec.primary_key.iter().map(|name| format!("o.{0} = NEW.{0}", quoted(name))).collect();
    let message = columns.iter().map(|name| format!("{}.{name}", spec.name)).collect::<Vec<_>>().join(", ");
    for event in ["INSERT", "UPDATE"] {
        let name = quoted(&format!("{}:x:{}", spec.name, event.to_lowercase()));
        let _ = writeln!(
            sql,
            "CREATE TRIGGER {name} AFTER {event} ON {table}\n\
             WHEN EXISTS (SELECT 1 FROM {table} AS o WHERE {} AND NOT ({}))\n\
             BEGIN SELECT RAISE(ABORT, '{EXCLUDED}{message}'); END;",
            overlap.join(" AND "),
            same.join(" AND "),
        );
    }
}

fn escaped(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    for c in comment.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\0' => text.push_str("\\0"),
            _ => text.push(c),
        }
    }
    text
}

fn unescaped(text: &str) -> ArcStr {
    let mut comment = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        comment.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('0') => '\0',
                other => other.unwrap_or('\\'),
            },
            _ => c,
        });
    }
    comment.into()
}

/// Creates a table unless it is there.
pub(crate) fn create(session: &mut SqliteSession, spec: &TableSpec) -> Result<()> {
    if let Some(existing) = specs(session, Some(&spec.name))?.pop() {
        return if same_table(&existing, spec) { Ok(()) } else { Err(conflicting(&existing, spec)) };
    }
    check_references(spec, &mut |name| Ok(specs(session, Some(name))?.pop()))?;
    session.run(&ddl(spec))
}

/// Removes a table.
pub(crate) fn drop_table(session: &mut SqliteSession, name: &str) -> Result<()> {
    let sql = Fragment::sql(format!(
        "SELECT DISTINCT m.name FROM main.sqlite_schema m, pragma_foreign_key_list(m.name, 'main') f \
         WHERE {OWN} AND f.\"table\" = "
    ));
    let sql = sql.then(text(name)).text(" AND m.name <> ").then(text(name)).text(" ORDER BY 1");
    let referrers = rows(session, sql, &[ColumnType::Text])?;
    if let Some(row) = referrers.first() {
        let message = format!("table '{name}' cannot go: table {} refers to it", row[0]);
        return Err(Error::new(ErrorKind::OrphanedRecord, message));
    }
    session.run(&format!("DROP TABLE IF EXISTS main.{}", quoted(name)))
}

fn text(value: &str) -> Fragment {
    Fragment::bind(Bind::Value(value.into()))
}

fn rows(session: &mut SqliteSession, sql: Fragment, types: &[ColumnType]) -> Result<Vec<Vec<Value>>> {
    session.rows(sql, &types.iter().map(|ty| ("", *ty)).collect::<Vec<_>>())
}

/// Specifications of all tables, or of one.
pub(crate) fn specs(session: &mut SqliteSession, only: Option<&str>) -> Result<Vec<TableSpec>> {
    use ColumnType::{Bool, Int, Text};
    let which = |sql: &str, order: &str| {
        let sql = Fragment::sql(format!("{sql} WHERE {OWN}"));
        let sql = match only {
            Some(name) => sql.text(" AND m.name = ").then(text(name)),
            None => sql,
        };
        sql.text(" ORDER BY m.name, ").text(order)
    };
    let columns = which(
        "SELECT m.name, m.sql, x.name, x.type, x.\"notnull\", x.pk \
         FROM main.sqlite_schema m, pragma_table_xinfo(m.name, 'main') x",
        "x.cid",
    );
    let mut specs = read_columns(rows(session, columns, &[Text, Text, Text, Text, Bool, Int])?)?;
    let indexes = which(
        "SELECT m.name, l.name, x.name FROM main.sqlite_schema m, pragma_index_list(m.name, 'main') l \
         JOIN pragma_index_xinfo(l.name, 'main') x ON x.key AND l.origin = 'c'",
        "length(l.name), l.name, x.seqno",
    );
    read_indexes(&mut specs, rows(session, indexes, &[Text, Text, Text])?)?;
    let keys = which(
        "SELECT m.name, f.id, f.\"table\", f.\"from\", f.\"to\", f.on_delete \
         FROM main.sqlite_schema m, pragma_foreign_key_list(m.name, 'main') f",
        "f.id DESC, f.seq",
    );
    read_foreign_keys(&mut specs, rows(session, keys, &[Text, Int, Text, Text, Text, Text])?)?;
    Ok(specs)
}

fn read_columns(rows: Vec<Vec<Value>>) -> Result<Vec<TableSpec>> {
    let mut specs: Vec<(TableSpec, Vec<(i64, ArcStr)>)> = Vec::new();
    for row in rows {
        let [
            Value::Text(table),
            Value::Text(sql),
            Value::Text(name),
            Value::Text(ty),
            Value::Bool(not_null),
            Value::Int(place),
        ] = &row[..]
        else {
            return Err(unreadable("columns"));
        };
        if specs.last().is_none_or(|(spec, _)| spec.name != *table) {
            specs.push((TableSpec::new(table.clone(), table_comment(sql)), Vec::new()));
        }
        let Some((spec, key)) = specs.last_mut() else { return Err(unreadable("columns")) };
        let ty = column_type(ty).ok_or_else(|| unreadable(table))?;
        let line = column_line(sql, name);
        let nullable = !*not_null && *place == 0;
        spec.columns.push(ColumnSpec { name: name.clone(), ty, nullable, comment: comment(line) });
        if *place > 0 {
            key.push((*place, name.clone()));
        }
        if line.split(" -- ").next().is_some_and(|line| line.contains("PRIMARY KEY AUTOINCREMENT")) {
            spec.identity = Some(name.clone());
        }
    }
    let with_key = |(mut spec, mut key): (TableSpec, Vec<(i64, ArcStr)>)| {
        key.sort();
        spec.primary_key = key.into_iter().map(|(_, name)| name).collect();
        spec
    };
    Ok(specs.into_iter().map(with_key).collect())
}

fn read_indexes(specs: &mut [TableSpec], rows: Vec<Vec<Value>>) -> Result<()> {
    let mut indexes: Vec<(ArcStr, ArcStr, Vec<ArcStr>)> = Vec::new();
    for row in rows {
        let [Value::Text(table), Value::Text(index), Value::Text(column)] = &row[..] else {
            return Err(unreadable("indexes"));
        };
        match indexes.last_mut() {
            Some((_, name, columns)) if name == index => columns.push(column.clone()),
            _ => indexes.push((table.clone(), index.clone(), vec![column.clone()])),
        }
    }
    for (table, index, mut columns) in indexes {
        let Some(spec) = specs.iter_mut().find(|spec| spec.name == table) else { continue };
        match index.rsplit_once(':').map(|(_, suffix)| suffix.split_at(1)) {
            Some(("u", _)) => spec.unique.push(UniqueSpec { columns }),
            Some(("i", _)) => spec.indexes.push(IndexSpec { columns }),
            Some(("x", "")) => {
                let (Some(end), Some(begin)) = (columns.pop(), columns.pop()) else {
                    return Err(unreadable(&table));
                };
                spec.exclusion = Some(Exclusion { equal: columns, begin, end });
            }
            // Not ours: somebody made it to speed up something.
            _ => {}
        }
    }
    Ok(())
}

fn read_foreign_keys(specs: &mut [TableSpec], rows: Vec<Vec<Value>>) -> Result<()> {
    let mut last = None;
    for row in rows {
        let [
            Value::Text(table),
            Value::Int(id),
            Value::Text(other),
            Value::Text(from),
            Value::Text(to),
            Value::Text(action),
        ] = &row[..]
        else {
            return Err(unreadable("foreign keys"));
        };
        let Some(spec) = specs.iter_mut().find(|spec| spec.name == *table) else { continue };
        if last != Some((table.clone(), *id)) {
            last = Some((table.clone(), *id));
            let on_delete = if action == "CASCADE" { OnDelete::Cascade } else { OnDelete::Restrict };
            let key = ForeignKey { columns: vec![], table: other.clone(), referenced: vec![], on_delete };
            spec.foreign_keys.push(key);
        }
        if let Some(key) = spec.foreign_keys.last_mut() {
            key.columns.push(from.clone());
            key.referenced.push(to.clone());
        }
    }
    Ok(())
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the catalogue of the database is not understood: {what}"))
}

fn column_type(ty: &str) -> Option<ColumnType> {
    [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Text, ColumnType::Bytes]
        .into_iter()
        .find(|candidate| sql_type(*candidate) == ty)
}

fn table_comment(sql: &str) -> ArcStr {
    comment(sql.lines().next().unwrap_or_default())
}

/// The line of a CREATE TABLE statement that defines a column.
fn column_line<'a>(sql: &'a str, column: &str) -> &'a str {
    let begin = format!("  {} ", quoted(column));
    sql.lines().find(|line| line.starts_with(&begin)).unwrap_or_default()
}

/// The comment at the end of a line.
fn comment(line: &str) -> ArcStr {
    line.split_once(" -- ").map_or_else(ArcStr::new, |(_, comment)| unescaped(comment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::static_tables;

    #[test]
    fn the_migration_makes_the_static_tables() {
        let up = include_str!("../../migrations/sqlite/00000000000001_static_tables/up.sql");
        let expected: Vec<String> = static_tables().iter().map(|table| ddl(table)).collect();
        assert_eq!(up, expected.join("\n"));
    }

    fn session() -> SqliteSession {
        SqliteSession::open(":memory:", "PRAGMA foreign_keys = ON").unwrap()
    }

    #[test]
    fn specifications_come_back() {
        let mut session = session();
        let spec = TableSpec::new("t", "table -- with\na \"comment\"")
            .column("b", ColumnType::Bool, "")
            .column("z", ColumnType::Text, "a\\n -- 'b'\r\n\0")
            .column("order", ColumnType::Int, ")")
            .column("begin", ColumnType::Int, "x")
            .column("end", ColumnType::Int, "PRIMARY KEY AUTOINCREMENT")
            .nullable("f", ColumnType::Float, "*/")
            .nullable("y", ColumnType::Bytes, "")
            .primary_key(["z", "b"])
            .unique(["z", "b"])
            .unique(["f"])
            .exclude(["y", "b"], "begin", "end")
            .references(["f", "y"], "t2", &["d", "c"], OnDelete::Cascade)
            .references(["z", "b"], "t", &["z", "b"], OnDelete::Restrict)
            .index(["order", "z"])
            .index(["z"]);
        let other = TableSpec::new("t2", "")
            .column("c", ColumnType::Bytes, "")
            .column("d", ColumnType::Float, "")
            .primary_key(["c", "d"]);
        let identity = TableSpec::new("t_3", "")
            .identity("id", "surrogate")
            .column("n", ColumnType::Text, "")
            .unique(["n"]);
        for spec in [&other, &spec, &identity] {
            create(&mut session, spec).unwrap();
            create(&mut session, spec).unwrap();
        }
        assert_eq!(specs(&mut session, None).unwrap(), [spec.clone(), other, identity]);
        let different = spec.index(["y"]);
        assert_eq!(create(&mut session, &different).unwrap_err().kind(), ErrorKind::ConflictingDefinition);
    }

    #[test]
    fn references_to_nothing_are_refused() {
        let mut session = session();
        let spec = |table: &str, column: &str| {
            TableSpec::new("t", "").column("a", ColumnType::Int, "").primary_key(["a"]).references(
                ["a"],
                table,
                &[column],
                OnDelete::Restrict,
            )
        };
        create(&mut session, &TableSpec::new("u", "").column("b", ColumnType::Text, "").primary_key(["b"]))
            .unwrap();
        for (table, column, reason) in
            [("v", "a", "not there"), ("u", "c", "other columns"), ("u", "b", "another type")]
        {
            let error = create(&mut session, &spec(table, column)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument);
            assert!(error.to_string().contains(reason), "{error}");
        }
        create(&mut session, &spec("t", "a")).unwrap();
        drop_table(&mut session, "t").unwrap();
    }
}
