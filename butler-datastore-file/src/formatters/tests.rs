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
