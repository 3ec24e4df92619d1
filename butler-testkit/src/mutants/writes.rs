//! Mutants that insert, sync, update or delete wrongly.

use butler_core::backend::{
    Arithmetic, ColumnType, Comparison, OnConflict, Relation, RowBatch, Scalar, SortKey, Synced, TableRef,
    Transaction, Value,
};
use butler_core::{Error, ErrorKind, Result};

use super::batches::{cut, filled, has_key, mapped, only, pieces, reversed, whole, with_rows};
use super::tamper::{Delete, Insert, Sync, Tamper, Update};
use crate::backend::fixture::{lit, selected};

use OnConflict::{Fail, Ignore, Replace};

pub(super) fn mutants() -> Vec<Tamper> {
    [
        Tamper::among(&["identity", "insert", "random_writes"], conflicts()),
        Tamper::among(&["identity", "insert"], counts_and_columns()),
        Tamper::among(&["insert"], stored_values()),
        Tamper::among(&["random_writes", "sync"], syncs()),
        Tamper::among(&["random_writes", "update"], updates()),
        Tamper::among(&["delete", "random_writes"], deletes()),
        Tamper::among(&["large"], limits()),
    ]
    .concat()
}

fn insert(name: &str, breaks: &'static str, insert: Insert) -> Tamper {
    Tamper { insert: Some(insert), ..Tamper::new(name, breaks) }
}

/// Row by row, without those that fail in one way.
fn forgiving(
    t: &mut dyn Transaction,
    into: &TableRef,
    rows: &RowBatch,
    on: OnConflict,
    kind: ErrorKind,
) -> Result<u64> {
    let mut count = 0;
    for row in pieces(rows, 1)? {
        let one = t.savepoint(&mut |t| {
            count += t.insert(into, &row, on)?;
            Ok(())
        });
        match one {
            Err(error) if error.kind() == kind => {}
            other => other?,
        }
    }
    Ok(count)
}

fn conflicts() -> Vec<Tamper> {
    vec![
        insert("FailReplaces", "replaces rows whose key is there", |t, into, rows, on| {
            t.insert(into, rows, if on == Fail { Replace } else { on })
        }),
        insert("FailIgnores", "leaves out rows whose key is there", |t, into, rows, on| {
            t.insert(into, rows, if on == Fail { Ignore } else { on })
        }),
        insert("IgnoreReplaces", "overwrites rows that should be left alone", |t, into, rows, on| {
            t.insert(into, rows, if on == Ignore { Replace } else { on })
        }),
        insert("IgnoreFails", "fails for a row that should be left out", |t, into, rows, on| {
            t.insert(into, rows, if on == Ignore { Fail } else { on })
        }),
        insert("IgnoreKeepsLast", "ignores all but the last row of a key in a batch", |t, into, rows, on| {
            t.insert(into, &if on == Ignore { reversed(rows)? } else { rows.clone() }, on)
        }),
        insert(
            "IgnoreForgivesConflicts",
            "ignores conflicts with unique and exclusion rules",
            |t, into, rows, on| match on {
                Ignore => forgiving(t, into, rows, on, ErrorKind::ConflictingDefinition),
                _ => t.insert(into, rows, on),
            },
        ),
        insert("IgnoreForgivesOrphans", "ignores rows that refer to nothing", |t, into, rows, on| match on {
            Ignore => forgiving(t, into, rows, on, ErrorKind::OrphanedRecord),
            _ => t.insert(into, rows, on),
        }),
        insert(
            "IgnoreForgivesValues",
            "ignores rows with NULL where it is not allowed",
            |t, into, rows, on| match on {
                Ignore => forgiving(t, into, rows, on, ErrorKind::Argument),
                _ => t.insert(into, rows, on),
            },
        ),
        insert("IgnoreChecksLeftOut", "checks rules for rows that are left out", |t, into, rows, on| {
            for row in pieces(rows, 1)?.iter().filter(|_| on == Ignore && has_key(rows, into)) {
                let tried = t.savepoint(&mut |t| {
                    t.insert(into, row, Replace)?;
                    Err(Error::new(ErrorKind::Interrupted, "only tried"))
                });
                tried.or_else(|error| match error.kind() {
                    ErrorKind::Interrupted => Ok(()),
                    _ => Err(error),
                })?;
            }
            t.insert(into, rows, on)
        }),
        insert("ReplaceIgnores", "leaves rows alone that should be replaced", |t, into, rows, on| {
            t.insert(into, rows, if on == Replace { Ignore } else { on })
        }),
        insert("ReplaceKeepsFirst", "replaces by the first row of a key in a batch", |t, into, rows, on| {
            t.insert(into, &if on == Replace { reversed(rows)? } else { rows.clone() }, on)
        }),
        insert(
            "ReplaceKeepsOthers",
            "leaves columns that are not given when it replaces",
            |t, into, rows, on| {
                if on != Replace || !has_key(rows, into) {
                    return t.insert(into, rows, on);
                }
                t.insert(into, rows, Ignore)?;
                t.update(into, rows)
            },
        ),
        insert(
            "ReplaceDeletesFirst",
            "deletes rows before it replaces them, and what refers to them",
            |t, into, rows, on| {
                if on == Replace && has_key(rows, into) {
                    t.delete(into, &Relation::values(rows.clone()))?;
                }
                t.insert(into, rows, on)
            },
        ),
        insert(
            "ReplaceForgivesConflicts",
            "ignores conflicts with other rows when it replaces",
            |t, into, rows, on| match on {
                Replace => forgiving(t, into, rows, on, ErrorKind::ConflictingDefinition),
                _ => t.insert(into, rows, on),
            },
        ),
        insert(
            "ReplaceNeedsColumns",
            "cannot replace rows that have nothing but a key",
            |t, into, rows, on| {
                let nothing = into.columns.len() == into.primary_key.len();
                t.insert(into, rows, if on == Replace && nothing { Fail } else { on })
            },
        ),
    ]
}

fn counts_and_columns() -> Vec<Tamper> {
    vec![
        insert(
            "InsertCountsGiven",
            "counts the rows that are given, inserted or not",
            |t, into, rows, on| {
                t.insert(into, rows, on)?;
                Ok(rows.len() as u64)
            },
        ),
        insert("InsertNeedsRows", "fails without rows", |t, into, rows, on| {
            if rows.is_empty() {
                return Err(Error::new(ErrorKind::Argument, "no rows"));
            }
            t.insert(into, rows, on)
        }),
        insert(
            "MissingIsZero",
            "stores zero or nothing in columns that are not given",
            |t, into, rows, on| t.insert(into, &filled(rows, into, zero)?, on),
        ),
        insert(
            "UnknownColumnsIgnored",
            "ignores columns that the table does not have",
            |t, into, rows, on| t.insert(into, &only(rows, |name, _| into.get(name).is_some())?, on),
        ),
        insert("OtherTypesIgnored", "ignores columns of other types", |t, into, rows, on| {
            let fits = |name: &str, ty| into.get(name).is_none_or(|column| column.ty == ty);
            t.insert(into, &only(rows, fits)?, on)
        }),
        insert("ColumnsByPosition", "takes columns in the order of the table", |t, into, rows, on| {
            let same = rows.names().len() == into.columns.len();
            let known = rows.names().iter().all(|name| into.get(name).is_some());
            if !(same && known) {
                return t.insert(into, rows, on);
            }
            let names = into
                .columns
                .iter()
                .zip(rows.columns())
                .map(|(spec, column)| (spec.name.clone(), column.ty()));
            let mut moved = RowBatch::new(names);
            rows.rows().try_for_each(|row| moved.push_row(&row))?;
            t.insert(into, &moved, on)
        }),
        insert("NullIdentityIssued", "issues an identity where NULL is given", |t, into, rows, on| {
            let null = |name: &str| {
                rows.names()
                    .iter()
                    .position(|n| n == name)
                    .is_some_and(|i| (0..rows.len()).any(|row| rows.columns()[i].is_null(row)))
            };
            let given =
                |name: &str, _| into.identity.as_ref().is_none_or(|identity| identity != name || !null(name));
            t.insert(into, &only(rows, given)?, on)
        }),
    ]
}

fn zero(ty: ColumnType) -> Value {
    use butler_core::backend::ColumnType;
    match ty {
        ColumnType::Bool => false.into(),
        ColumnType::Int => 0.into(),
        ColumnType::Float => 0.0.into(),
        ColumnType::Text => "".into(),
        ColumnType::Bytes => Vec::new().into(),
    }
}

macro_rules! storing {
    ($name:literal, $breaks:literal, $change:expr) => {
        insert($name, $breaks, |t, into, rows, on| {
            let usable = rows.rows().flatten().all(|value| match value {
                Value::Float(float) => float.is_finite(),
                Value::Text(text) => !text.contains('\0'),
                _ => true,
            });
            if usable { t.insert(into, &mapped(rows, $change)?, on) } else { t.insert(into, rows, on) }
        })
    };
}

fn stored_values() -> Vec<Tamper> {
    vec![
        storing!("EmptyTextIsNull", "stores NULL for the empty text", |value| match value {
            Value::Text(text) if text.is_empty() => Value::Null,
            other => other,
        }),
        storing!("TextTrimmed", "stores text without spaces at its end", |value| match value {
            Value::Text(text) => text.trim_end_matches(' ').into(),
            other => other,
        }),
        storing!("TextFolded", "stores text in lower case", |value| match value {
            Value::Text(text) => text.to_lowercase().into(),
            other => other,
        }),
        storing!("TextCut", "stores at most 255 characters of text", |value| match value {
            Value::Text(text) => text.chars().take(255).collect::<String>().into(),
            other => other,
        }),
        storing!("IntegersThroughFloats", "stores integers as floats", |value| match value {
            Value::Int(int) => Value::Int(int as f64 as i64),
            other => other,
        }),
        storing!("FloatsRounded", "stores 15 digits of floats", |value| match value {
            Value::Float(float) => Value::Float(format!("{float:.14e}").parse().unwrap_or(float)),
            other => other,
        }),
        storing!("SubnormalsFlushed", "stores zero for the least floats", |value| match value {
            Value::Float(float) if !float.is_normal() => Value::Float(0.0),
            other => other,
        }),
        storing!("BytesEndAtZero", "stores bytes up to the first zero", |value| match value {
            Value::Bytes(bytes) => bytes.split(|byte| *byte == 0).next().unwrap_or_default().into(),
            other => other,
        }),
    ]
}

fn sync(name: &str, breaks: &'static str, sync: Sync) -> Tamper {
    Tamper { sync: Some(sync), ..Tamper::new(name, breaks) }
}

fn differs(row: &[Value], given: &[Value]) -> bool {
    row.iter().zip(given).any(|(old, new)| !new.is_null() && old != new)
}

fn syncs() -> Vec<Tamper> {
    vec![
        sync("SyncOverwrites", "overwrites the row that is there", |t, into, row| {
            let mut synced = t.sync(into, row)?;
            if !synced.inserted {
                let given = whole(row, into, 0);
                let new = synced
                    .row
                    .iter()
                    .zip(given)
                    .map(|(old, new)| if new.is_null() { old.clone() } else { new });
                synced.row = new.collect();
                let columns = into.columns.iter().map(|column| (column.name.clone(), column.ty));
                let mut whole = RowBatch::new(columns);
                whole.push_row(&synced.row)?;
                t.insert(into, &whole, Replace)?;
            }
            Ok(synced)
        }),
        sync("SyncInserts", "fails if the row is there", |t, into, row| {
            t.insert(into, row, Fail)?;
            t.sync(into, row).map(|synced| Synced { inserted: true, ..synced })
        }),
        sync("SyncReturnsGiven", "returns what it was given", |t, into, row| {
            t.sync(into, row).map(|synced| Synced { row: whole(row, into, 0), ..synced })
        }),
        sync("SyncSaysInserted", "says of every row that it is new", |t, into, row| {
            t.sync(into, row).map(|synced| Synced { inserted: true, ..synced })
        }),
        sync("SyncCompares", "fails if the row that is there differs", |t, into, row| {
            let synced = t.sync(into, row)?;
            if differs(&synced.row, &whole(row, into, 0)) {
                return Err(Error::new(ErrorKind::ConflictingDefinition, "another row is there"));
            }
            Ok(synced)
        }),
        sync("SyncByFirstColumn", "looks at the first column of the key only", |t, into, row| {
            let key = into.natural_key()[0].clone();
            let value = whole(row, into, 0)[into.position(&key).unwrap_or_default()].clone();
            let found = match value {
                Value::Null => Vec::new(),
                value => selected(t, &into.scan().filter(Scalar::column(key).eq(value)))?,
            };
            match found.into_iter().next().filter(|_| has_natural_key(row, into)) {
                Some(row) => Ok(Synced { inserted: false, row }),
                None => t.sync(into, row),
            }
        }),
        sync("SyncTakesFirst", "takes the first of several rows", |t, into, row| t.sync(into, &cut(row, 1)?)),
        sync("SyncForgives", "takes any conflict for the row being there", |t, into, row| {
            let mut synced = Synced { inserted: false, row: Vec::new() };
            let tried = t.savepoint(&mut |t| {
                synced = t.sync(into, row)?;
                Ok(())
            });
            match tried {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConflictingDefinition | ErrorKind::OrphanedRecord
                    ) =>
                {
                    Ok(Synced { inserted: false, row: whole(row, into, 0) })
                }
                other => other.map(|()| synced),
            }
        }),
        sync("SyncWithoutKey", "inserts a row without a key", |t, into, row| {
            if row.len() != 1 || has_natural_key(row, into) {
                return t.sync(into, row);
            }
            t.insert(into, row, Fail)?;
            Ok(Synced { inserted: true, row: whole(row, into, 0) })
        }),
        sync("SyncIgnoresColumns", "ignores columns that do not fit", |t, into, row| {
            let fits = |name: &str, ty| into.get(name).is_some_and(|column| column.ty == ty);
            t.sync(into, &only(row, fits)?)
        }),
    ]
}

fn has_natural_key(row: &RowBatch, into: &TableRef) -> bool {
    row.len() == 1
        && into.natural_key().iter().all(|key| {
            row.names().iter().position(|name| name == key).is_some_and(|i| !row.columns()[i].is_null(0))
        })
}

fn update(name: &str, breaks: &'static str, update: Update) -> Tamper {
    Tamper { update: Some(update), ..Tamper::new(name, breaks) }
}

fn is_key_alone(rows: &RowBatch, table: &TableRef) -> bool {
    rows.names().iter().all(|name| table.primary_key.contains(name))
}

fn updates() -> Vec<Tamper> {
    vec![
        update("UpdateClearsOthers", "sets columns that are not given to NULL", |t, table, rows| {
            let nullable = filled(rows, table, |_| Value::Null)?;
            let kept = |name: &str, _| {
                rows.names().iter().any(|n| n == name) || table.get(name).is_some_and(|c| c.nullable)
            };
            t.update(table, &only(&nullable, kept)?)
        }),
        update("UpdateCountsGiven", "counts the rows that are given, there or not", |t, table, rows| {
            t.update(table, rows)?;
            Ok(rows.len() as u64)
        }),
        update("UpdateCountsChanges", "counts only rows that it changes", |t, table, rows| {
            let before = selected(t, &table.scan())?;
            t.update(table, rows)?;
            let after = selected(t, &table.scan())?;
            Ok(after.iter().filter(|row| !before.contains(row)).count() as u64)
        }),
        update("UpdateInserts", "inserts rows that are not there", |t, table, rows| {
            let count = t.update(table, rows)?;
            let tried = t.savepoint(&mut |t| t.insert(table, rows, Ignore).map(drop));
            Ok(if tried.is_ok() { rows.len() as u64 } else { count })
        }),
        update("UpdateFirstWins", "uses the first row of a key in a batch", |t, table, rows| {
            t.update(table, &reversed(rows)?)
        }),
        update("UpdateNeedsColumns", "fails if there is nothing to change", |t, table, rows| {
            if is_key_alone(rows, table) || rows.is_empty() {
                return Err(Error::new(ErrorKind::Argument, "nothing to change"));
            }
            t.update(table, rows)
        }),
        update("UpdateSkipsNull", "does not set NULL", |t, table, rows| {
            let mut count = 0;
            for row in pieces(rows, 1)?.iter().filter(|_| !rows.is_empty()) {
                let position = |name: &str| row.names().iter().position(|other| other == name);
                let given = |name: &str, _| {
                    position(name).is_some_and(|i| !row.columns()[i].is_null(0))
                        || table.primary_key.iter().any(|key| key == name)
                };
                count += t.update(table, &only(row, given)?)?;
            }
            Ok(count)
        }),
        update("UpdateForgives", "skips rows that break a rule", |t, table, rows| {
            let mut count = 0;
            let tried = t.savepoint(&mut |t| {
                count = t.update(table, rows)?;
                Ok(())
            });
            match tried {
                Err(error) if error.kind() != ErrorKind::Argument => Ok(0),
                other => other.map(|()| count),
            }
        }),
        update("UpdateWithoutKey", "changes nothing without a key", |t, table, rows| {
            let key = |i: usize| table.primary_key.contains(&rows.names()[i]);
            let null = (0..rows.names().len())
                .any(|i| key(i) && (0..rows.len()).any(|row| rows.columns()[i].is_null(row)));
            if has_key(rows, table) && !null { t.update(table, rows) } else { Ok(0) }
        }),
        update("UpdateIgnoresColumns", "ignores columns that do not fit", |t, table, rows| {
            let fits = |name: &str, ty| table.get(name).is_some_and(|column| column.ty == ty);
            t.update(table, &only(rows, fits)?)
        }),
    ]
}

fn delete(name: &str, breaks: &'static str, delete: Delete) -> Tamper {
    Tamper { delete: Some(delete), ..Tamper::new(name, breaks) }
}

/// Keys of a relation, under other names.
fn renamed_keys(from: &TableRef, matching: &Relation) -> Relation {
    let names = from.primary_key.iter().map(|key| (format!("other {key}"), Scalar::Column(key.clone())));
    matching.clone().project(names)
}

fn other(key: &str) -> Scalar {
    Scalar::column(format!("other {key}"))
}

fn deletes() -> Vec<Tamper> {
    vec![
        delete("DeleteCountsGiven", "counts the rows of the relation", |t, from, matching| {
            let given = selected(t, matching)?.len();
            t.delete(from, matching)?;
            Ok(given as u64)
        }),
        delete("DeleteNeedsRows", "fails if a key is not there", |t, from, matching| {
            let given = selected(t, &matching.clone().distinct())?.len() as u64;
            match t.delete(from, matching)? {
                count if count == given => Ok(count),
                _ => Err(Error::new(ErrorKind::NotFound, "a row is not there")),
            }
        }),
        delete("DeleteByColumns", "matches each column of a key by itself", |t, from, matching| {
            let columns: Vec<Relation> = from
                .primary_key
                .iter()
                .map(|key| matching.clone().select([key.clone()]).distinct())
                .collect();
            let cross = columns.into_iter().reduce(|a, b| a.join(b, Scalar::And(vec![])));
            t.delete(from, &cross.unwrap_or_else(|| matching.clone()))
        }),
        delete(
            "DeleteByPosition",
            "takes the first columns of the relation for the key",
            |t, from, matching| {
                let schema = matching.schema()?;
                let names = from
                    .primary_key
                    .iter()
                    .zip(&schema)
                    .map(|(key, column)| (key.clone(), column.name.clone()));
                t.delete(from, &matching.clone().rename(names))
            },
        ),
        delete("DeleteNullMatches", "takes NULL in a key for any value", |t, from, matching| {
            let keys = renamed_keys(from, matching);
            let equal = |key: &arcstr::ArcStr| {
                Scalar::Or(vec![Scalar::Column(key.clone()).eq(other(key)), other(key).is_null()])
            };
            t.delete(from, &from.scan().semi(keys, Scalar::And(from.primary_key.iter().map(equal).collect())))
        }),
        delete("DeleteWithoutKey", "deletes nothing if the relation lacks the key", |t, from, matching| {
            let mut count = 0;
            let tried = t.savepoint(&mut |t| {
                count = t.delete(from, matching)?;
                Ok(())
            });
            match tried {
                Err(error) if error.kind() == ErrorKind::Argument => Ok(0),
                other => other.map(|()| count),
            }
        }),
        delete("DeleteRowByRow", "evaluates the relation anew after each row", |t, from, matching| {
            let mut count = 0;
            while let Some(row) = selected(t, matching)?.into_iter().next() {
                let columns = matching.schema()?.into_iter().map(|column| (column.name, column.ty));
                let one = with_rows(&RowBatch::new(columns), [row])?;
                match t.delete(from, &Relation::values(one))? {
                    0 => break,
                    deleted => count += deleted,
                }
            }
            Ok(count)
        }),
        delete("DeleteNear", "deletes the row after that of an integer key, too", |t, from, matching| {
            let keys = renamed_keys(from, matching);
            let near = |key: &arcstr::ArcStr| {
                let distance = Scalar::Column(key.clone()).arithmetic(Arithmetic::Sub, other(key));
                Scalar::And(vec![distance.clone().ge(0), distance.compare(Comparison::Le, lit(1))])
            };
            match matching.schema()?.iter().find(|column| column.name == from.primary_key[0]) {
                Some(column) if column.ty == ColumnType::Int && from.primary_key.len() == 1 => {
                    t.delete(from, &from.scan().semi(keys, near(&from.primary_key[0])))
                }
                _ => t.delete(from, matching),
            }
        }),
    ]
}

fn limits() -> Vec<Tamper> {
    vec![
        insert("BatchesCut", "inserts the first thousand rows of a batch", |t, into, rows, on| {
            t.insert(into, &cut(rows, 1000)?, on)
        }),
        insert(
            "BatchesInPieces",
            "forgets the keys of a batch after some hundred rows",
            |t, into, rows, on| {
                let counts = pieces(rows, 300)?.into_iter().map(|piece| t.insert(into, &piece, on));
                Ok(counts.collect::<Result<Vec<_>>>()?.into_iter().sum())
            },
        ),
        update("UpdateCutsBatches", "changes the first thousand rows of a batch", |t, table, rows| {
            t.update(table, &cut(rows, 1000)?)
        }),
        delete("DeleteCutsKeys", "deletes the rows of the first hundred keys", |t, from, matching| {
            let keys =
                matching.schema()?.iter().map(|column| SortKey::ascending(column.name.clone())).collect();
            t.delete(from, &matching.clone().slice(keys, 0, Some(100)))
        }),
    ]
}
