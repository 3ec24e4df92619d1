use butler_core::{ReadParameters, StorageClasses};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::table::ColumnValues;

/// As PyArrow 26 writes it, in two groups of rows.
const PYARROW: &[u8] = include_bytes!("../../../tests/data/pyarrow.parq");

/// Counts what is read of a file.
struct Counting(Bytes, u64);

impl ReadSource for Counting {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_all(&mut self) -> Result<Bytes> {
        self.read_range(0, self.size())
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let part = self.0.read_range(offset, len)?;
        self.1 += part.len() as u64;
        Ok(part)
    }
}

fn read_counted(bytes: &[u8], component: Option<&str>, columns: Option<Structured>) -> Result<(Object, u64)> {
    let classes = StorageClasses::default();
    let parameters: ReadParameters = columns.map(|columns| ("columns".into(), columns)).into_iter().collect();
    let request = ReadRequest { class: classes.get("ArrowTable")?, component, parameters: &parameters };
    let mut source = Counting(Bytes::copy_from_slice(bytes), 0);
    let outcome = Parquet.read(&mut source, &request)?;
    assert!(outcome.parameters_applied);
    assert_eq!(outcome.is_component, component.is_some());
    Ok((outcome.object, source.1))
}

fn read(bytes: &[u8], component: Option<&str>, columns: Option<Structured>) -> Result<Object> {
    Ok(read_counted(bytes, component, columns)?.0)
}

fn table(bytes: &[u8], columns: Option<Structured>) -> Result<Table> {
    read(bytes, None, columns)?.downcast_ref::<Table>().cloned()
}

fn write(table: &Table) -> Result<Vec<u8>> {
    let (mut bytes, classes) = (Vec::new(), StorageClasses::default());
    Parquet.write(&Object::new(table.clone()), classes.get("ArrowTable")?, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn files_of_pyarrow_are_read() {
    let read = table(PYARROW, Some(json!(["a", "b", "c", "d", "when", "day", "u4", "category"]))).unwrap();
    let text = |values: [Option<&str>; 3]| {
        ColumnValues::Text(values.iter().map(|value| value.map(str::to_owned)).collect())
    };
    let expected = Table::new([
        ("a", ColumnValues::Int(vec![Some(1), None, Some(3)])),
        ("b", ColumnValues::Float(vec![Some(1.5), Some(-2.5), None])),
        ("c", text([Some("x"), Some("ä"), None])),
        ("d", ColumnValues::Bool(vec![Some(true), Some(false), None])),
        ("when", ColumnValues::Int(vec![Some(1_577_836_800_000_000), None, Some(0)])),
        ("day", ColumnValues::Int(vec![Some(1), None, None])),
        ("u4", ColumnValues::Int(vec![Some(4_294_967_295), Some(0), None])),
        ("category", text([Some("p"), Some("q"), Some("p")])),
    ])
    .unwrap();
    assert_eq!(read, expected);
    for (column, reason) in
        [("list", "of type list"), ("price", "of type decimal(10, 2)"), ("u", "9223372036854775808")]
    {
        let error = table(PYARROW, Some(json!(column))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter);
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(table(PYARROW, None).unwrap_err().to_string().contains("by the parameter 'columns'"));
}

#[test]
fn components_come_from_the_end_of_the_file() {
    let component = |name, columns| {
        read(PYARROW, Some(name), columns).unwrap().downcast_ref::<Structured>().cloned().unwrap()
    };
    assert_eq!(component("rowcount", None), 3);
    assert_eq!(component("columns", Some(json!(["c", "a"]))), json!(["c", "a"]));
    assert_eq!(
        component("schema", None),
        json!({
            "a": "int64", "b": "float32", "c": "string", "d": "bool", "when": "timestamp[us]",
            "day": "date32[day]", "list": "list", "u": "uint64", "u4": "uint32", "category": "string",
            "price": "decimal(10, 2)",
        })
    );
    let error = read(PYARROW, Some("columns"), Some(json!(["categroy"]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("did you mean 'category'?"), "{error}");
}

#[test]
fn no_more_than_what_is_wanted_is_read() {
    let numbers = |seed: i64| {
        ColumnValues::Int(
            (0..40_000_i64).map(|at| Some(at.wrapping_mul(6_364_136_223_846_793_005 + seed))).collect(),
        )
    };
    let written = Table::new([("a", numbers(0)), ("b", numbers(2)), ("c", numbers(4))]).unwrap();
    let bytes = write(&written).unwrap();
    let end = 64 << 10;
    for component in ["columns", "rowcount", "schema"] {
        assert!(read_counted(&bytes, Some(component), None).unwrap().1 <= end, "{component}");
    }
    let (object, read) = read_counted(&bytes, None, Some(json!("b"))).unwrap();
    assert_eq!(object.downcast_ref::<Table>().unwrap(), &written.select(&["b".to_owned()]).unwrap());
    assert!(read < bytes.len() as u64 / 2, "{read} of {}", bytes.len());
}

#[test]
fn tables_of_no_columns_are_not_written() {
    assert_eq!(write(&Table::default()).unwrap_err().kind(), ErrorKind::Formatter);
    let rows = table(PYARROW, Some(json!([]))).unwrap();
    assert_eq!((rows.rows(), rows.columns().len()), (3, 0));
}

#[test]
fn files_that_are_cut_short_are_refused() {
    for length in 0..PYARROW.len() {
        let error = table(&PYARROW[..length], Some(json!("c"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter, "{length}: {error}");
        assert!(error.to_string().contains("no valid Parquet"), "{error}");
    }
}

/// One byte after the other is changed: whatever it says then, nothing panics, and no memory is taken for it.
#[test]
fn files_that_lie_do_no_harm() {
    let columns = Some(json!(["a", "c", "d", "category"]));
    let panics = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for at in 0..PYARROW.len() {
        let mut bytes = PYARROW.to_vec();
        bytes[at] ^= [0x01, 0x80, 0xff][at % 3];
        if let Err(error) = table(&bytes, columns.clone()) {
            let expected = [ErrorKind::Formatter, ErrorKind::Exhausted, ErrorKind::Argument];
            assert!(expected.contains(&error.kind()), "{at}: {error}");
        }
    }
    std::panic::set_hook(panics);
}

#[test]
fn a_few_bytes_do_not_become_billions_of_values() {
    let bytes = write(&Table::new([("a", ColumnValues::Int(vec![Some(1); 1000]))]).unwrap()).unwrap();
    let mut source = Bytes::copy_from_slice(&bytes);
    let mut file = File::open(&mut source).unwrap();
    let columns = file.columns().to_vec();
    file.limit(1000);
    assert_eq!(file.table(&columns).unwrap_err().kind(), ErrorKind::Exhausted);
    // The metadata, and not the page, say that there are 8191 rows, as Thrift writes that.
    let mut lying = bytes;
    let end = lying.len() - 8;
    let length = u32::from_le_bytes([lying[end], lying[end + 1], lying[end + 2], lying[end + 3]]) as usize;
    let mut changed = 0;
    for at in end - length..end - 1 {
        if lying[at..at + 2] == [0xd0, 0x0f] {
            lying[at..at + 2].copy_from_slice(&[0xfe, 0x7f]);
            changed += 1;
        }
    }
    assert!(changed >= 2);
    let error = table(&lying, None).map(|table| table.rows()).unwrap_err();
    assert!(error.to_string().contains("fewer values than rows"), "{error}");
}

fn tables() -> impl Strategy<Value = Table> {
    let column = |rows: usize| {
        let some = |values| proptest::collection::vec(values, rows);
        prop_oneof![
            some(any::<Option<bool>>().boxed()).prop_map(ColumnValues::Bool),
            proptest::collection::vec(any::<Option<i64>>(), rows).prop_map(ColumnValues::Int),
            proptest::collection::vec(proptest::option::of(-1e300..1e300), rows)
                .prop_map(ColumnValues::Float),
            proptest::collection::vec(proptest::option::of(".{0,6}"), rows).prop_map(ColumnValues::Text),
        ]
    };
    (0_usize..20).prop_flat_map(move |rows| {
        proptest::collection::vec(column(rows), 1..4).prop_map(|columns| {
            Table::new(columns.into_iter().enumerate().map(|(at, values)| (format!("c{at}"), values)))
                .unwrap()
        })
    })
}

proptest! {
    #[test]
    fn tables_survive(written in tables()) {
        prop_assert_eq!(table(&write(&written).unwrap(), None).unwrap(), written);
    }
}
