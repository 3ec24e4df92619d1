//! Mutants that create, drop or list tables wrongly, or say of themselves what is not true.

use butler_core::backend::{Capabilities, ColumnType, OnDelete, TableRef, TableSpec, Transaction};
use butler_core::{Error, ErrorKind};

use super::tamper::{Create, Opening, Tamper};

pub(super) fn mutants() -> Vec<Tamper> {
    [
        Tamper::among(&["tables"], creations()),
        Tamper::among(&["tables"], lists()),
        Tamper::among(&["capabilities", "concurrency", "tables", "transactions"], claims()),
    ]
    .concat()
}

fn create(name: &str, breaks: &'static str, create: Create) -> Tamper {
    Tamper { create: Some(create), ..Tamper::new(name, breaks) }
}

/// Whether a table is there, whatever its columns.
fn is_there(t: &mut dyn Transaction, table: &TableRef) -> bool {
    let read = t.savepoint(&mut |t| t.select(&table.scan(), &mut |_| std::ops::ControlFlow::Break(())));
    !read.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn refuse(what: &str) -> Error {
    Error::new(ErrorKind::Argument, format!("{what} is refused"))
}

fn creations() -> Vec<Tamper> {
    vec![
        create("CreateFails", "fails if the table is there", |t, spec| {
            if is_there(t, &spec.clone().into()) {
                return Err(Error::new(ErrorKind::AlreadyExists, "the table is there"));
            }
            t.create(spec)
        }),
        create("CreateReplaces", "replaces a table that is there", |t, spec| {
            t.savepoint(&mut |t| t.drop_table(&spec.clone().into())).ok();
            t.create(spec)
        }),
        create("CreateComparesNothing", "takes any table of a name for the same", |t, spec| {
            match t.savepoint(&mut |t| t.create(spec)) {
                Err(error) if error.kind() == ErrorKind::ConflictingDefinition => Ok(()),
                other => other,
            }
        }),
        create("CreateTwiceFails", "cannot create a table that it uses already", |t, spec| {
            if spec.foreign_keys.iter().any(|rule| rule.table == spec.name) {
                return Err(refuse("a table that refers to itself"));
            }
            t.create(spec)
        }),
        create("KeywordsRefused", "refuses keywords as names", |t, spec| {
            if ["index", "table", "order"].contains(&spec.name.as_str()) || spec.get("select").is_some() {
                return Err(refuse("a keyword"));
            }
            t.create(spec)
        }),
        create("LongNamesRefused", "refuses names of more than 60 bytes", |t, spec| {
            if spec.name.len() > 60 {
                return Err(refuse("a long name"));
            }
            t.create(spec)
        }),
        create("WideTablesRefused", "refuses tables of more than 64 columns", |t, spec| {
            if spec.columns.len() > 64 {
                return Err(refuse("a wide table"));
            }
            t.create(spec)
        }),
        Tamper {
            drop_table: Some(|t, table| match is_there(t, table) {
                true => t.drop_table(table),
                false => Err(Error::new(ErrorKind::NotFound, "the table is not there")),
            }),
            ..Tamper::new("DropOfMissingFails", "fails to drop a table that is not there")
        },
        Tamper {
            drop_table: Some(|t, table| match is_there(t, table) {
                true => t.delete(table, &table.scan()).map(drop),
                false => Ok(()),
            }),
            ..Tamper::new("DropKeepsTable", "drops the rows of a table only")
        },
        Tamper {
            select: Some(|t, relation, each| match t.savepoint(&mut |t| t.select(relation, each)) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            }),
            ..Tamper::new("MissingTableIsEmpty", "reads no rows from a table that is not there")
        },
    ]
}

/// A mutant that reads back other specifications.
macro_rules! listing {
    ($name:literal, $breaks:literal, $change:expr) => {
        Tamper {
            tables: Some(|mut specs| {
                specs.iter_mut().for_each($change);
                specs
            }),
            ..Tamper::new($name, $breaks)
        }
    };
}

fn lists() -> Vec<Tamper> {
    vec![
        listing!("TablesWithoutUnique", "forgets unique rules", |spec| spec.unique.clear()),
        listing!("TablesWithoutIndexes", "forgets indexes", |spec| spec.indexes.clear()),
        listing!("TablesWithoutExclusion", "forgets exclusion rules", |spec| spec.exclusion = None),
        listing!("TablesWithoutReferences", "forgets foreign keys", |spec| spec.foreign_keys.clear()),
        listing!("TablesWithoutIdentity", "forgets identities", |spec| spec.identity = None),
        listing!("TablesAllNullable", "takes every column for nullable", |spec| {
            spec.columns.iter_mut().for_each(|column| column.nullable = true);
        }),
        listing!("TablesRestrict", "takes every foreign key for restricting", |spec| {
            spec.foreign_keys.iter_mut().for_each(|rule| rule.on_delete = OnDelete::Restrict);
        }),
        listing!("TablesSortUnique", "lists unique rules in order of names", |spec| {
            spec.unique.sort_by(|a, b| a.columns.cmp(&b.columns));
        }),
        listing!("TablesSortKeys", "lists the columns of keys in order of names", |spec| spec
            .primary_key
            .sort()),
        listing!("TablesCutNames", "lists names up to the 60th byte", |spec| {
            spec.name = spec.name.chars().take(60).collect::<String>().into();
        }),
        Tamper {
            tables: Some(|mut specs| {
                specs.reverse();
                specs
            }),
            ..Tamper::new("TablesUnordered", "lists tables in no order")
        },
        Tamper {
            tables: Some(|mut specs| {
                specs.push(TableSpec::new("zz_own", "").column("version", ColumnType::Int, ""));
                specs
            }),
            ..Tamper::new("TablesWithOwn", "lists a table that it keeps for itself")
        },
    ]
}

fn claims() -> Vec<Tamper> {
    let claim = |name: &str, breaks, change: fn(&mut Capabilities)| Tamper {
        capabilities: Some(change),
        ..Tamper::new(name, breaks)
    };
    let open = |name: &str, breaks, opening| Tamper { opening, ..Tamper::new(name, breaks) };
    vec![
        claim("Nameless", "has no name", |capabilities| capabilities.name = ""),
        claim("SaysTooLittle", "does not say that it enforces exclusion rules", |c| c.exclusion = false),
        claim("SaysReadOnly", "says that it is for reading only", |c| c.read_only = true),
        claim("ClaimsMigrations", "says that it migrates, and does nothing", |c| c.migrations = true),
        claim("ClaimsWriters", "says that transactions write at once, and runs one after the other", |c| {
            c.concurrent_writers = true;
        }),
        Tamper {
            opening: Opening::Apart,
            ..claim("ClaimsPersistence", "says that rows persist, and forgets them", |c| c.persistent = true)
        },
        Tamper {
            migrate: Some(|| Err(Error::new(ErrorKind::Unsupported, "there are no migrations"))),
            ..Tamper::new("MigrateFails", "fails to migrate without the capability")
        },
        open("NamespacesShared", "has one namespace only", Opening::Shared),
        open("HandlesApart", "opens another namespace for each handle", Opening::Apart),
        open("ReadOnlyWrites", "writes though it was opened for reading only", Opening::Writable),
        open(
            "ReadOnlyFails",
            "does not read in transactions if opened for reading only",
            Opening::Unreadable,
        ),
    ]
}
