use butler_core::{ReadParameters, StorageClasses, Structured};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn write(array: &Array) -> Vec<u8> {
    let (mut bytes, classes) = (Vec::new(), StorageClasses::default());
    Fits.write(&Object::new(array.clone()), classes.get("NumpyArray").unwrap(), &mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8], component: Option<&str>, hdu: Option<u64>) -> Result<Object> {
    let classes = StorageClasses::default();
    let parameters: ReadParameters =
        hdu.map(|hdu| ("hdu".into(), Structured::from(hdu))).into_iter().collect();
    let request = ReadRequest { class: classes.get("NumpyArray")?, component, parameters: &parameters };
    Ok(Fits.read(&mut Bytes::copy_from_slice(bytes), &request)?.object)
}

fn array(bytes: &[u8], hdu: Option<u64>) -> Result<Array> {
    read(bytes, None, hdu)?.downcast_ref::<Array>().cloned()
}

/// A part of cards and data.
fn part(cards: &[&str], data: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        cards.iter().chain([&"END"]).flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// As Astropy 7 writes an image of unsigned integers and one of floats.
fn astropy() -> Vec<u8> {
    let x = "x".repeat(67);
    let long = format!("LONGTXT = '{x}&'");
    let more = format!("CONTINUE  '{}'", &x[..33]);
    let first = [
        "SIMPLE  =                    T / conforms to FITS standard",
        "BITPIX  =                   16 / array data type",
        "NAXIS   =                    2 / number of array dimensions",
        "NAXIS1  =                    3",
        "NAXIS2  =                    2",
        "EXTEND  =                    T",
        "BSCALE  =                    1",
        "BZERO   =                32768",
        "OBJECT  = 'O''Neil '           / name",
        "EXPTIME =                  1.5",
        "HIERARCH long keyword = T",
        &long,
        &more,
        "COMMENT one",
        "COMMENT two",
    ];
    let second = [
        "XTENSION= 'IMAGE   '           / Image extension",
        "BITPIX  =                  -32 / array data type",
        "NAXIS   =                    1 / number of array dimensions",
        "NAXIS1  =                    2",
        "PCOUNT  =                    0 / number of parameters",
        "GCOUNT  =                    1 / number of groups",
        "EXTNAME = 'VAR     '           / extension name",
    ];
    let data = b"\x80\x00\x80\x01\x80\x02\x80\x03\x80\x04\x80\x05";
    [part(&first, data), part(&second, b"\x3f\xc0\0\0\xc0\x20\0\0")].concat()
}

#[test]
fn images_of_astropy_are_read() {
    let bytes = astropy();
    let first = Array::new([2, 3], ArrayValues::U16((0..6).collect())).unwrap();
    let second = Array::new([2], ArrayValues::F32(vec![1.5, -2.5])).unwrap();
    assert_eq!(array(&bytes, None).unwrap(), first);
    assert_eq!(array(&bytes, Some(0)).unwrap(), first);
    assert_eq!(array(&bytes, Some(1)).unwrap(), second);
    assert_eq!(array(&bytes, Some(2)).unwrap_err().kind(), ErrorKind::Argument);
    let header = read(&bytes, Some("header"), None).unwrap().deserialize::<Structured>().unwrap();
    assert_eq!(header["OBJECT"], "O'Neil");
    assert_eq!(header["EXPTIME"], 1.5);
    assert_eq!(header["long keyword"], true);
    assert_eq!(header["LONGTXT"], "x".repeat(100));
    assert_eq!(header["COMMENT"], json!(["one", "two"]));
    assert_eq!(
        read(&bytes, Some("header"), Some(1)).unwrap().deserialize::<Structured>().unwrap()["EXTNAME"],
        "VAR"
    );
}

/// Counts what is read of a file.
struct Counting(Bytes, u64);

impl ReadSource for Counting {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_all(&mut self) -> Result<Bytes> {
        self.1 += self.size();
        self.0.read_all()
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let part = self.0.read_range(offset, len)?;
        self.1 += part.len() as u64;
        Ok(part)
    }
}

#[test]
fn only_what_is_wanted_is_read() {
    let large = write(&Array::new([1000, 100], ArrayValues::F64(vec![1.0; 100_000])).unwrap());
    let small = part(&["XTENSION= 'IMAGE'", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 1"], b"\x07");
    let bytes = Bytes::from([large, small].concat());
    let classes = StorageClasses::default();
    let read = |component, hdu: u64| {
        let parameters = ReadParameters::from([("hdu".into(), Structured::from(hdu))]);
        let request =
            ReadRequest { class: classes.get("NumpyArray").unwrap(), component, parameters: &parameters };
        let mut source = Counting(bytes.clone(), 0);
        assert!(Fits.read(&mut source, &request).unwrap().parameters_applied);
        source.1
    };
    assert_eq!(read(Some("header"), 0), BLOCK as u64);
    assert_eq!(read(Some("header"), 1), 2 * BLOCK as u64);
    assert_eq!(read(None, 1), 2 * BLOCK as u64 + 1);
}

#[test]
fn scales_are_applied() {
    let cards = [
        "SIMPLE  = T",
        "BITPIX  = 16",
        "NAXIS   = 1",
        "NAXIS1  = 3",
        "BSCALE  = 0.5",
        "BZERO   = 1.0D1",
        "BLANK   = -1",
    ];
    let read = array(&part(&cards, b"\0\x02\xff\xff\xff\xfe"), None).unwrap();
    let ArrayValues::F64(values) = read.values() else { unreachable!("scaled values are numbers") };
    assert!(values[0] == 11.0 && values[1].is_nan() && values[2] == 9.0, "{values:?}");
}

#[test]
fn what_is_no_image_is_told() {
    let says = |cards: &[&str]| part(cards, &[0; 8]);
    for (bytes, reason) in [
        (Vec::new(), "cut short"),
        (vec![b' '; BLOCK], "does not begin"),
        (vec![0xff; BLOCK], "must not have"),
        (b"SIMPLE  = T".iter().copied().chain(std::iter::repeat(b' ')).take(BLOCK).collect(), "cut short"),
        (says(&["SIMPLE  = T", "NAXIS   = 1"]), "lacks"),
        (says(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = -1"]), "NAXIS is -1"),
        (says(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1000000000000"]), "NAXIS is"),
        (says(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -5"]), "NAXIS1 is -5"),
        (says(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 'x'"]), "no integer"),
        (
            says(&[
                "SIMPLE  = T",
                "BITPIX  = 64",
                "NAXIS   = 2",
                "NAXIS1  = 9223372036854775807",
                "NAXIS2  = 3",
            ]),
            "too l",
        ),
        (
            says(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 4000000000000"]),
            "and not 4000000000000",
        ),
        (says(&["SIMPLE  = T", "BITPIX  = 24", "NAXIS   = 1", "NAXIS1  = 1"]), "type 24"),
    ] {
        let error = array(&bytes, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Formatter, "{reason}: {error:?}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    let empty = part(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"], b"");
    let table = part(&["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 1"], b"\0");
    assert!(array(&[empty, table].concat(), None).unwrap_err().to_string().contains("a table"));
}

proptest! {
    #[test]
    fn images_lead_back(rows in 1..4_usize, columns in 1..4_usize, kind in 0..10, seed: u64) {
        let numbers: Vec<u64> = (0..(rows * columns) as u64).map(|i| seed.rotate_left(i as u32).wrapping_mul(31 + i)).collect();
        let values = match kind {
            0 => ArrayValues::I8(numbers.iter().map(|n| *n as i8).collect()),
            1 => ArrayValues::U8(numbers.iter().map(|n| *n as u8).collect()),
            2 => ArrayValues::I16(numbers.iter().map(|n| *n as i16).collect()),
            3 => ArrayValues::U16(numbers.iter().map(|n| *n as u16).collect()),
            4 => ArrayValues::I32(numbers.iter().map(|n| *n as i32).collect()),
            5 => ArrayValues::U32(numbers.iter().map(|n| *n as u32).collect()),
            6 => ArrayValues::I64(numbers.iter().map(|n| *n as i64).collect()),
            7 => ArrayValues::U64(numbers),
            8 => ArrayValues::F32(numbers.iter().map(|n| *n as f32).collect()),
            _ => ArrayValues::F64(numbers.iter().map(|n| *n as f64).collect()),
        };
        let written = Array::new([rows, columns], values).unwrap();
        let bytes = write(&written);
        prop_assert_eq!(bytes.len() % BLOCK, 0);
        prop_assert_eq!(array(&bytes, None).unwrap(), written);
        for cut in [0, 1, 79, 80, BLOCK - 1, BLOCK] {
            prop_assert_eq!(array(&bytes[..cut], None).unwrap_err().kind(), ErrorKind::Formatter);
        }
    }

    #[test]
    fn no_cards_make_it_panic(cards in prop::collection::vec("(NAXIS[123]?|BITPIX|PCOUNT|GCOUNT|BZERO|CONTINUE|HIERARCH) *=? *[-0-9.'&/ETx]{0,12}", 0..8)) {
        let mut all = vec!["SIMPLE  = T".to_owned()];
        all.extend(cards.into_iter().map(|card| card.chars().take(80).collect()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let _ = read(&part(&all, &[1; 10]), None, None);
        let _ = read(&part(&all, &[1; 10]), Some("header"), None);
    }
}

mod tables {
    use super::*;
    use crate::table::ColumnValues;

    fn read_table(
        bytes: &[u8],
        component: Option<&str>,
        parameters: &[(&str, Structured)],
    ) -> Result<(Object, u64)> {
        let classes = StorageClasses::default();
        let parameters = parameters.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let request = ReadRequest { class: classes.get("FitsTable")?, component, parameters: &parameters };
        let mut source = Counting(Bytes::copy_from_slice(bytes), 0);
        let outcome = Fits.read(&mut source, &request)?;
        assert!(outcome.parameters_applied);
        Ok((outcome.object, source.1))
    }

    fn table(bytes: &[u8], parameters: &[(&str, Structured)]) -> Result<Table> {
        read_table(bytes, None, parameters)?.0.downcast_ref::<Table>().cloned()
    }

    fn write_table(table: &Table) -> Result<Vec<u8>> {
        let (mut bytes, classes) = (Vec::new(), StorageClasses::default());
        Fits.write(&Object::new(table.clone()), classes.get("FitsTable")?, &mut bytes)?;
        Ok(bytes)
    }

    /// As Astropy 8 writes a table with masked values, unsigned integers, scales and vectors.
    const ASTROPY: &[u8] = include_bytes!("../../../tests/data/astropy.fits");

    #[test]
    fn tables_of_astropy_are_read() {
        let wanted = ("columns", json!(["id", "flag", "name", "flux", "count", "scaled"]));
        let read = table(ASTROPY, std::slice::from_ref(&wanted)).unwrap();
        let text = |values: [&str; 3]| ColumnValues::Text(values.map(|text| Some(text.to_owned())).to_vec());
        let expected = Table::new([
            ("id", ColumnValues::Int(vec![Some(1), None, Some(-3)])),
            ("flag", ColumnValues::Bool(vec![Some(true), Some(false), Some(true)])),
            ("name", text(["alpha", "b", "c d"])),
            ("flux", ColumnValues::Float(vec![Some(1.5), None, Some(-2.5)])),
            ("count", ColumnValues::Int(vec![Some(65_535), Some(0), Some(32_768)])),
            ("scaled", ColumnValues::Float(vec![Some(10.5), Some(11.0), Some(11.5)])),
        ])
        .unwrap();
        assert_eq!(read, expected);
        let component = |name, parameters: &[(&str, Structured)]| {
            read_table(ASTROPY, Some(name), parameters)
                .unwrap()
                .0
                .downcast_ref::<Structured>()
                .cloned()
                .unwrap()
        };
        assert_eq!(component("rowcount", &[]), 3);
        assert_eq!(
            component("columns", &[]),
            json!(["id", "flag", "name", "flux", "count", "scaled", "vector"])
        );
        assert_eq!(
            component("schema", &[]),
            json!({"id": "int64", "flag": "bool", "name": "string", "flux": "float32", "count": "uint16",
                   "scaled": "float64", "vector": "int32[2]"})
        );
        assert_eq!(component("header", &[("hdu", json!(1))])["TTYPE1"], "id");
        for (parameters, reason) in [
            (vec![], "of type int32[2]"),
            (vec![("hdu", json!(0))], "no binary table"),
            (vec![("columns", json!("fluxx"))], "did you mean 'flux'?"),
        ] {
            let error = table(ASTROPY, &parameters).map(|table| table.rows()).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        let error = array(ASTROPY, Some(1)).map(drop).unwrap_err();
        assert!(error.to_string().contains("a table, and no image"), "{error}");
    }

    #[test]
    fn tables_that_are_cut_short_are_refused() {
        let bytes =
            write_table(&Table::new([("a", ColumnValues::Int(vec![Some(1); 1000]))]).unwrap()).unwrap();
        for length in [0, 100, 2880, 2881, 5759, 5760, 6000, 5760 + 7999] {
            let error = table(&bytes[..length], &[]).map(|table| table.rows()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Formatter, "{length}: {error}");
        }
        let (_, read) = read_table(&bytes, Some("rowcount"), &[]).unwrap();
        assert_eq!(read, 2 * 2880);
    }

    #[test]
    fn what_fits_cannot_hold_is_not_written() {
        let text = |text: &str| ColumnValues::Text(vec![Some(text.to_owned())]);
        for (name, values) in [
            ("", text("x")),
            ("\u{e4}", text("x")),
            (&*"x".repeat(69), text("x")),
            ("x ", text("x")),
            ("x", text("\u{e4}")),
            ("x", text("\0")),
        ] {
            let error = write_table(&Table::new([(name, values)]).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Formatter, "{name}");
        }
    }

    fn tables() -> impl Strategy<Value = Table> {
        use proptest::collection::vec;
        use proptest::option::of;
        let column = |rows: usize| {
            prop_oneof![
                vec(any::<Option<bool>>(), rows).prop_map(ColumnValues::Bool),
                vec(of(prop_oneof![any::<i64>(), Just(i64::MIN)]), rows).prop_map(ColumnValues::Int),
                vec(of(-1e300..1e300), rows).prop_map(ColumnValues::Float),
                vec(of("[ -~]{0,6}"), rows).prop_map(ColumnValues::Text),
            ]
        };
        (0_usize..20).prop_flat_map(move |rows| {
            vec(("[!-~]{1,20}", column(rows)), 0..4).prop_map(move |columns| {
                let mut names = std::collections::BTreeSet::new();
                let new = columns.into_iter().filter(|(name, _)| names.insert(name.clone()));
                Table::new(new.collect::<Vec<_>>()).unwrap()
            })
        })
    }

    proptest! {
        #[test]
        fn tables_survive(written in tables()) {
            let bytes = write_table(&written).unwrap();
            prop_assert_eq!(bytes.len() % BLOCK, 0);
            prop_assert_eq!(table(&bytes, &[]).unwrap(), written);
        }

        #[test]
        fn no_header_of_a_table_makes_it_panic(cards in prop::collection::vec(
            "(NAXIS[12]|TFIELDS|TFORM[12]|TTYPE[12]|TNULL1|TZERO1|TSCAL1|PCOUNT)", 0..6), values in prop::collection::vec("'?[0-9]{0,3}[LBIJKEDAXP]?'?", 6)) {
            let fixed = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2"].map(str::to_owned);
            let last = ["NAXIS1  = 2", "NAXIS2  = 3", "TFIELDS = 1", "TFORM1  = 'I'"].map(str::to_owned);
            let own = cards.iter().zip(&values).map(|(key, value)| format!("{key:<8}= {value}"));
            let all: Vec<String> = fixed.into_iter().chain(own).chain(last).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let bytes = [part(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"], b""), part(&all, &[1; 6])].concat();
            let _ = table(&bytes, &[]);
        }
    }
}
