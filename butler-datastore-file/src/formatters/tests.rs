use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use butler_core::{Object, ReadParameters, ReadRequest, StorageClasses, Structured};

use super::*;

fn write(formatter: &str, object: &Object) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let classes = StorageClasses::default();
    formatters().get(formatter)?.write(object, classes.get("StructuredData")?, &mut bytes)?;
    Ok(bytes)
}

fn read(formatter: &str, bytes: &[u8]) -> Result<Object> {
    let classes = StorageClasses::default();
    let parameters = ReadParameters::new();
    let request =
        ReadRequest { class: classes.get("StructuredData")?, component: None, parameters: &parameters };
    let mut source = Bytes::copy_from_slice(bytes);
    Ok(formatters().get(formatter)?.read(&mut source, &request)?.object)
}

fn structured(formatter: &str, bytes: &[u8]) -> Structured {
    read(formatter, bytes).unwrap().downcast_ref::<Structured>().unwrap().clone()
}

#[test]
fn json_is_what_python_writes() {
    let value = json!({
        "index": 1, "name": "dataset-000001", "values": [0, 1, -2], "mean": 0.25, "zero": 0.0, "ok": true,
        "none": null, "empty": {}, "list": [], "text": "ä\"\\\n\u{7f}\u{1}\u{1F600}", "big": 1e22, "nested": {"a": {"b": [[]]}},
    });
    // As `json.dumps(value, ensure_ascii=False)` of Python 3.11 prints it.
    let expected = "{\"index\": 1, \"name\": \"dataset-000001\", \"values\": [0, 1, -2], \"mean\": 0.25, \"zero\": 0.0, \
                    \"ok\": true, \"none\": null, \"empty\": {}, \"list\": [], \
                    \"text\": \"ä\\\"\\\\\\n\u{7f}\\u0001\u{1F600}\", \"big\": 1e+22, \"nested\": {\"a\": {\"b\": [[]]}}}";
    assert_eq!(String::from_utf8(write("json", &Object::new(value)).unwrap()).unwrap(), expected);
}

#[test]
fn integers_of_more_than_64_bits_stay_readable() {
    for (formatter, text) in [
        ("json", "{\"a\":[1,18446744073709551616],\"b\":\"18446744073709551616\"}"),
        ("yaml", "a:\n- 1\n- 18446744073709551616\nb: '18446744073709551616'\n"),
    ] {
        let wanted =
            serde_json::json!({"a": [1, 18_446_744_073_709_551_616_f64], "b": "18446744073709551616"});
        assert_eq!(structured(formatter, text.as_bytes()), wanted, "{formatter}");
    }
    for text in ["[18446744073709551615, -9223372036854775808, 1e+30]", "\"18446744073709551616\""] {
        for formatter in ["json", "yaml"] {
            assert_eq!(structured(formatter, text.as_bytes()).to_string().replace(',', ", "), text);
        }
    }
}

#[test]
fn order_of_keys_stays() {
    let value = json!({"z": 1, "a": {"y": 1, "b": 2}, "m": [{"q": 1, "c": 2}]});
    for formatter in ["json", "yaml"] {
        let bytes = write(formatter, &Object::new(value.clone())).unwrap();
        assert_eq!(structured(formatter, &bytes).to_string(), value.to_string(), "{formatter}");
    }
}

#[test]
fn what_yaml_takes_for_something_else_is_quoted() {
    let texts = [
        "yes",
        "no",
        "null",
        "~",
        "1e3",
        "0x10",
        "2020-01-01",
        "12:30:00",
        "- a",
        "a: b",
        "# x",
        "",
        " x ",
        "\t",
        "|",
        "'",
        "\"",
        "!tag",
        "&a",
        "*a",
        "%x",
        "@",
        "`",
        "a\nb\n",
        "\u{85}\u{2028}",
        "\u{feff}",
        ".",
    ];
    let value = Structured::from(texts.to_vec());
    let bytes = write("yaml", &Object::new(value.clone())).unwrap();
    assert_eq!(structured("yaml", &bytes), value, "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn problems_are_told_with_their_place() {
    for (formatter, text, place) in [
        ("json", "{\"a\": 1,\n \"b\": }", "line 2, column 7"),
        ("json", "", "line 1, column 0"),
        ("json", "[1, NaN]", "line 1, column 5"),
        ("yaml", "a: 1\nb: [1, 2", "line 2"),
        ("yaml", "a: 1\na: 2", "line 2"),
        ("toml", "a = 1\nb = = 2", "line 2, column 5"),
        ("toml", "a = nan", "NaN"),
    ] {
        let error = read(formatter, text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter, "{formatter} {text}");
        assert!(error.to_string().contains(place), "{formatter} {text}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    for formatter in ["json", "yaml", "toml", "text"] {
        let error = read(formatter, b"ab\nc\xff").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter, "{formatter}");
    }
    assert!(read("text", b"ab\nc\xff").unwrap_err().to_string().contains("line 2, column 2"));
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    for (formatter, value) in
        [("toml", json!(1)), ("toml", json!({"a": {"b": [1, null]}})), ("toml", json!({"a": u64::MAX}))]
    {
        let error = write(formatter, &Object::new(value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter, "{formatter}");
    }
    let error = write("toml", &Object::new(json!({"a": {"b": [1, null]}}))).unwrap_err();
    assert!(error.to_string().contains("'a.b[1]'"), "{error}");
    for formatter in ["json", "yaml", "toml", "text", "bytes"] {
        let error = write(formatter, &Object::new(1u8)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageClass, "{formatter}");
    }
}

#[test]
fn text_and_bytes_are_as_they_are() {
    let text = "ä\r\n\0";
    assert_eq!(write("text", &Object::from(text)).unwrap(), text.as_bytes());
    assert_eq!(read("text", text.as_bytes()).unwrap().downcast_ref::<String>().unwrap(), text);
    let bytes = Bytes::from_static(b"\xff\0");
    assert_eq!(write("bytes", &Object::from(bytes.clone())).unwrap(), bytes);
    assert_eq!(read("bytes", &bytes).unwrap().downcast_ref::<Bytes>().unwrap(), &bytes);
}

#[test]
fn deep_and_repeated_input_does_no_harm() {
    for formatter in ["json", "yaml", "toml"] {
        let deep = format!(
            "{}{}{}",
            if formatter == "toml" { "a = " } else { "" },
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(read(formatter, deep.as_bytes()).unwrap_err().kind(), ErrorKind::Formatter, "{formatter}");
    }
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in b'b'..=b'k' {
        let (this, last) = (char::from(level), char::from(level - 1));
        bomb.push_str(&format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(", ")));
    }
    assert_eq!(read("yaml", bomb.as_bytes()).unwrap_err().kind(), ErrorKind::Formatter);
}

fn value(null: bool) -> impl Strategy<Value = Structured> {
    let number = any::<f64>()
        .prop_filter_map("finite", |value| serde_json::Number::from_f64(value).map(Structured::Number));
    let leaf = prop_oneof![
        if null { Just(Structured::Null) } else { Just(Structured::Bool(true)) },
        any::<bool>().prop_map(Structured::from),
        any::<i64>().prop_map(Structured::from),
        number,
        ".*".prop_map(Structured::from),
        "[-0-9a-zA-Z:#.,{}\\[\\]&*!|>'\"%@`~? \n\t]{0,12}".prop_map(Structured::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Structured::from),
            prop::collection::vec((".{0,8}", inner), 0..6)
                .prop_map(|pairs| Structured::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_leads_back(value in value(true)) {
        let bytes = write("json", &Object::new(value.clone())).unwrap();
        prop_assert_eq!(structured("json", &bytes), value);
    }

    #[test]
    fn yaml_leads_back(value in value(true)) {
        let bytes = write("yaml", &Object::new(value.clone())).unwrap();
        let back = read("yaml", &bytes).map(|object| object.downcast_ref::<Structured>().unwrap().clone());
        prop_assert!(back.as_ref().is_ok_and(|back| *back == value), "{:?} from {}", back, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn toml_leads_back(value in value(false)) {
        let value = json!({ "value": value });
        let bytes = write("toml", &Object::new(value.clone())).unwrap();
        prop_assert_eq!(structured("toml", &bytes), value);
    }

    #[test]
    fn no_bytes_make_a_formatter_panic(bytes: Vec<u8>, text in "[-{}\\[\\]:,\"'a0.&*!|>=\n ]{0,40}") {
        for formatter in formatters().iter() {
            let _ = read(formatter.name(), &bytes);
            let _ = read(formatter.name(), text.as_bytes());
        }
    }
}

mod tables {
    use super::*;
    use crate::table::{ColumnValues, Table};

    fn table(bytes: &[u8]) -> Result<Table> {
        read("csv", bytes)?.downcast_ref::<Table>().cloned()
    }

    /// As Astropy 7 writes them, by comma and by blank.
    #[test]
    fn ecsv_of_astropy_is_read() {
        let header = "# ---\n# datatype:\n# - {name: a, datatype: int64}\n# - {name: b b, datatype: string}\n\
                      # - {name: c, datatype: float64}\n# - {name: d, datatype: bool}\n# schema: astropy-2.0\n";
        let expected = Table::new([
            ("a", ColumnValues::Int(vec![Some(1), None])),
            ("b b", ColumnValues::Text(vec![Some("x, y".into()), Some(String::new())])),
            ("c", ColumnValues::Float(vec![Some(1.5), Some(f64::INFINITY)])),
            ("d", ColumnValues::Bool(vec![Some(true), Some(false)])),
        ])
        .unwrap();
        let by_comma = format!(
            "# %ECSV 1.0\n{}a,b b,c,d\n1,\"x, y\",1.5,True\n\"\",\"\",inf,False\n",
            header.replace("---", "---\n# delimiter: ','")
        );
        assert_eq!(table(by_comma.as_bytes()).unwrap(), expected);
        assert_eq!(table(by_comma.replace('\n', "\r\n").as_bytes()).unwrap(), expected);
        let by_blank =
            format!("# %ECSV 1.0\n{header}a \"b b\" c d\n1 \"x, y\" 1.5 True\n\"\" \"\" inf False\n");
        assert_eq!(table(by_blank.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn types_show_in_plain_csv() {
        let read = table(b"i,f,b,t,q,n\n1,1,true,x,\"1\",\n,2.5,False,,\"\",\n").unwrap();
        let types: Vec<&str> = read.columns().map(|(_, values)| values.type_name()).collect();
        assert_eq!(types, ["int64", "float64", "bool", "string", "string", "string"]);
        assert_eq!(read.column("t"), Some(&ColumnValues::Text(vec![Some("x".into()), None])));
        assert_eq!(table(b"a").unwrap().rows(), 0);
    }

    #[test]
    fn what_is_no_table_is_told_with_its_place() {
        for (text, place) in [
            ("", "no names"),
            ("a,b\n1,2\n1", "line 3"),
            ("a,b\n\"1\n2\",x,y\n", "line 2"),
            ("a\n\"1", "line 2, column 1: a quoted field does not end"),
            ("a\n\"1\"2", "follows a quoted field"),
            ("a,a\n1,2", "comes twice"),
            (
                "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n# delimiter: ','\na\n1\nx",
                "line 8",
            ),
            ("# %ECSV 1.0\n# ---\na", "'datatype'"),
            ("# %ECSV 1.0\n# ---\n# datatype: [1]\na", "no name or type"),
            ("# %ECSV 1.0\n# [[[\na", "header of ECSV"),
        ] {
            let error = table(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Formatter, "{text}");
            assert!(error.to_string().contains(place), "{text}: {error}");
        }
        let nothing = Table::new::<&str>([]).unwrap();
        let odd = Table::new([("a\nb", ColumnValues::Int(vec![]))]).unwrap();
        for table in [nothing, odd] {
            assert_eq!(write("csv", &Object::new(table)).unwrap_err().kind(), ErrorKind::Formatter);
        }
    }

    fn column(rows: usize) -> impl Strategy<Value = ColumnValues> {
        fn some<T: std::fmt::Debug + Clone>(
            value: impl Strategy<Value = T>,
            rows: usize,
        ) -> impl Strategy<Value = Vec<Option<T>>> {
            prop::collection::vec(prop::option::of(value), rows)
        }
        let text = prop_oneof![".{0,8}", "[,\"\n\r# 0-9.e+x]{0,8}"];
        let float = any::<f64>().prop_filter("numbers are compared", |value| !value.is_nan());
        prop_oneof![
            some(any::<bool>(), rows).prop_map(ColumnValues::Bool),
            some(any::<i64>(), rows).prop_map(ColumnValues::Int),
            some(float, rows).prop_map(ColumnValues::Float),
            some(text, rows).prop_map(ColumnValues::Text),
        ]
    }

    proptest! {
        #[test]
        fn tables_lead_back(columns in (0..5_usize).prop_flat_map(|rows| prop::collection::btree_map("[^\r\n]{1,6}", column(rows), 1..5))) {
            let written = Table::new(columns).unwrap();
            let bytes = write("csv", &Object::new(written.clone())).unwrap();
            let back = table(&bytes);
            prop_assert!(back.as_ref().is_ok_and(|back| *back == written), "{:?} from {}", back, String::from_utf8_lossy(&bytes));
        }
    }
}

mod arrays {
    use super::*;
    use crate::array::{Array, ArrayValues};

    fn array(bytes: &[u8]) -> Result<Array> {
        read("npy", bytes)?.downcast_ref::<Array>().cloned()
    }

    fn file(header: &str, values: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
    }

    /// As NumPy writes `array([[1, 2, 3], [4, 5, 6]], dtype='>i2')` and `array(7, dtype='u1')`.
    #[test]
    fn arrays_of_numpy_are_read() {
        let header = format!("{:<117}\n", "{'descr': '>i2', 'fortran_order': False, 'shape': (2, 3), }");
        let bytes = file(&header, b"\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06");
        let expected = Array::new([2, 3], ArrayValues::I16(vec![1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(array(&bytes).unwrap(), expected);
        let header = format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (), }");
        let scalar = Array::new([], ArrayValues::U8(vec![7])).unwrap();
        assert_eq!(array(&file(&header, b"\x07")).unwrap(), scalar);
        let written = write("npy", &Object::new(scalar)).unwrap();
        assert_eq!(written.len() % 64, 1);
        assert!(
            written.starts_with(
                b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (), } "
            )
        );
        let one = write("npy", &Object::new(Array::new([1], ArrayValues::F64(vec![1.5])).unwrap())).unwrap();
        assert!(one[10..].starts_with(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), } "));
    }

    #[test]
    fn what_is_no_array_is_told() {
        let says = |text: &str| file(text, &[0; 16]);
        for (bytes, reason) in [
            (b"".to_vec(), "cut short"),
            (b"PK\x03\x04abcdefgh".to_vec(), "does not begin"),
            (b"\x93NUMPY\x07\0abcd".to_vec(), "version 7"),
            (b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec(), "4294967295 bytes"),
            (b"\x93NUMPY\x01\0\xff\0".to_vec(), "header is cut short"),
            (
                says("{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2), }"),
                "too large",
            ),
            (
                says("{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000, 4000000), }"),
                "bytes of values",
            ),
            (
                says("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"),
                "16 bytes of values, and not 24",
            ),
            (
                says("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"),
                "16 bytes of values, and not 8",
            ),
            (says("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "type '|O' is not known"),
            (says("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }"), "header says"),
            (says("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 1), 'x': 1}"), "header says"),
            (says("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"), "runs fastest"),
            (says("{'descr': '<f8', 'shape': (2,), }"), "header says"),
            (says("__import__('os')"), "header says"),
            (says("{'shape': (-1,), 'descr': '<f8', 'fortran_order': False}"), "header says"),
        ] {
            let error = array(&bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Formatter, "{error:?}");
            assert!(error.to_string().contains(reason), "{reason}: {error}");
        }
        assert_eq!(Array::new([2, 2], ArrayValues::I8(vec![0; 3])).unwrap_err().kind(), ErrorKind::Argument);
    }

    fn values(count: usize) -> impl Strategy<Value = ArrayValues> {
        use prop::collection::vec;
        prop_oneof![
            vec(any::<i8>(), count).prop_map(ArrayValues::I8),
            vec(any::<u16>(), count).prop_map(ArrayValues::U16),
            vec(any::<i32>(), count).prop_map(ArrayValues::I32),
            vec(any::<u64>(), count).prop_map(ArrayValues::U64),
            vec(-1e30_f32..1e30, count).prop_map(ArrayValues::F32),
            vec(-1e300..1e300, count).prop_map(ArrayValues::F64),
        ]
    }

    fn arrays() -> impl Strategy<Value = Array> {
        prop::collection::vec(0..4_usize, 0..4).prop_flat_map(|shape| {
            values(shape.iter().product()).prop_map(move |values| Array::new(shape.clone(), values).unwrap())
        })
    }

    proptest! {
        #[test]
        fn arrays_lead_back(written in arrays()) {
            let bytes = write("npy", &Object::new(written.clone())).unwrap();
            prop_assert_eq!(array(&bytes).unwrap(), written);
            for cut in 0..bytes.len() {
                prop_assert_eq!(array(&bytes[..cut]).unwrap_err().kind(), ErrorKind::Formatter);
            }
        }
    }
}

#[test]
fn hostile_messagepack_is_refused() {
    let deep = [vec![0x91; 100_000], vec![0xc0]].concat();
    for (bytes, reason) in [
        (&b"\xdd\xff\xff\xff\xff\x01"[..], ""),
        (b"\xdf\xff\xff\xff\xff\xa1a", ""),
        (b"\xdb\xff\xff\xff\xffab", ""),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", "finite"),
        (b"\xc4\x01a", "expected"),
        (b"\xd4\x01a", "expected"),
        (b"\x82\xa1a\x01\xa1a\x02", "twice"),
        (b"\x81\x01\x02", "expected a string"),
        (b"\x01\x02", "1 bytes follow"),
        (b"\xa1\xff", ""),
        (&deep, "depth"),
    ] {
        let error = read("msgpack", bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter, "{bytes:?}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    // As Python's `msgpack.packb({"a": [1, -1, 0.5, None, True, "ä"]})` gives it.
    let bytes = b"\x81\xa1a\x96\x01\xff\xcb?\xe0\0\0\0\0\0\0\xc0\xc3\xa2\xc3\xa4";
    let value = json!({"a": [1, -1, 0.5, null, true, "ä"]});
    assert_eq!(structured("msgpack", bytes), value);
    assert_eq!(write("msgpack", &Object::new(value)).unwrap(), bytes);
}

proptest! {
    #[test]
    fn messagepack_leads_back(value in value(true)) {
        let bytes = write("msgpack", &Object::new(value.clone())).unwrap();
        prop_assert_eq!(structured("msgpack", &bytes), value);
        for cut in 0..bytes.len() {
            prop_assert_eq!(read("msgpack", &bytes[..cut]).unwrap_err().kind(), ErrorKind::Formatter);
        }
    }
}

mod npz {
    use super::*;
    use crate::array::{Array, ArrayValues, Arrays};

    /// As NumPy 2.4 writes it by `savez_compressed`.
    const NUMPY: &[u8] = include_bytes!("../../tests/data/numpy.npz");

    fn arrays(bytes: &[u8], names: Option<Structured>) -> Result<Arrays> {
        let classes = StorageClasses::default();
        let parameters: ReadParameters = names.map(|names| ("names".into(), names)).into_iter().collect();
        let request =
            ReadRequest { class: classes.get("NumpyArrays")?, component: None, parameters: &parameters };
        let outcome = formatters().get("npz")?.read(&mut Bytes::copy_from_slice(bytes), &request)?;
        outcome.object.downcast_ref::<Arrays>().cloned()
    }

    #[test]
    fn arrays_of_numpy_are_read_together_or_alone() {
        let all = arrays(NUMPY, None).unwrap();
        assert_eq!(all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(all.get("a").unwrap(), &Array::new([2], ArrayValues::F32(vec![1.5, -2.5])).unwrap());
        assert_eq!(all.get("b").unwrap(), &Array::new([2, 2], ArrayValues::I64(vec![1, 2, 3, 4])).unwrap());
        let one = arrays(NUMPY, Some(json!(["a"]))).unwrap();
        assert_eq!(one.iter().len(), 1);
        assert_eq!(arrays(NUMPY, Some(json!("c"))).unwrap_err().kind(), ErrorKind::Argument);
        for length in [0, 10, NUMPY.len() / 2, NUMPY.len() - 1] {
            assert_eq!(arrays(&NUMPY[..length], None).unwrap_err().kind(), ErrorKind::Formatter);
        }
        let written = write("npz", &Object::new(all.clone())).unwrap();
        assert_eq!(arrays(&written, None).unwrap(), all);
        let odd = Arrays::new([("../x", all.get("a").unwrap().clone())]).unwrap();
        assert_eq!(write("npz", &Object::new(odd)).unwrap_err().kind(), ErrorKind::Formatter);
    }
}
