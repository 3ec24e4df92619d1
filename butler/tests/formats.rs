//! The command's `put` and `get` of what only formatters know: tables, arrays, files of FITS.
#![cfg(all(feature = "cli", feature = "registry-sqlite", feature = "datastore-fs"))]
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use butler::datastore_file::{Array, ArrayValues, ColumnValues, Table};
use butler::{Object, ReadParameters, ReadRequest, StorageClasses};
use tempfile::TempDir;

struct Repo(TempDir);

impl Repo {
    fn new(types: &[(&str, &str)]) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        this.ok(&["create", "repo"]);
        for (name, class) in types {
            this.ok(&["register-dataset-type", "repo", name, class]);
        }
        this
    }

    fn run(&self, words: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_butler"))
            .args(words)
            .current_dir(self.0.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> Vec<u8> {
        let output = self.run(words, b"");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[track_caller]
    fn refused(&self, words: &[&str], input: &[u8]) -> String {
        let output = self.run(words, input);
        assert!(!output.status.success(), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn get(&self, words: &[&str]) -> Vec<u8> {
        self.ok(&[&["get", "repo"], words, &["--collections", "r"]].concat())
    }
}

fn written(formatter: &str, class: &str, object: Object) -> Vec<u8> {
    let classes = StorageClasses::default();
    let mut bytes = Vec::new();
    let formatters = butler::formatters();
    formatters.get(formatter).unwrap().write(&object, classes.get(class).unwrap(), &mut bytes).unwrap();
    bytes
}

fn read(formatter: &str, class: &str, bytes: Vec<u8>) -> Object {
    let classes = StorageClasses::default();
    let parameters = ReadParameters::new();
    let request =
        ReadRequest { class: classes.get(class).unwrap(), component: None, parameters: &parameters };
    let formatters = butler::formatters();
    formatters.get(formatter).unwrap().read(&mut bytes::Bytes::from(bytes), &request).unwrap().object
}

fn table() -> Table {
    let text = |value: &str| Some(value.to_owned());
    Table::new([
        ("id", ColumnValues::Int(vec![Some(1), Some(2)])),
        ("name", ColumnValues::Text(vec![text("a"), text("b")])),
        ("flux", ColumnValues::Float(vec![Some(0.5), Some(2.25)])),
    ])
    .unwrap()
}

fn image(values: Vec<i16>) -> Object {
    Object::new(Array::new(vec![values.len()], ArrayValues::I16(values)).unwrap())
}

#[test]
fn selections_of_tables_are_written_as_tables() {
    let repo = Repo::new(&[("csv", "AstropyTable"), ("fits", "FitsTable")]);
    repo.write("x.csv", written("csv", "AstropyTable", Object::new(table())));
    repo.write("x.fits", written("fits", "FitsTable", Object::new(table())));
    for (name, class) in [("csv", "AstropyTable"), ("fits", "FitsTable")] {
        repo.ok(&["put", "repo", name, "--run", "r", "--file", &format!("x.{name}")]);
        let columns = [name, "--parameter", "columns=[\"flux\",\"id\"]"];
        let selected = read(name, class, repo.get(&columns));
        let wanted = table().select(&["flux".into(), "id".into()]).unwrap();
        assert_eq!(*selected.downcast_ref::<Table>().unwrap(), wanted);
        // The name of the file tells another format.
        repo.get(&[&columns[..], &["--output", &format!("{name}.ecsv")]].concat());
        let text = fs::read_to_string(repo.0.path().join(format!("{name}.ecsv"))).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, ["flux,id", "0.5,1", "2.25,2"], "{text}");
        assert_eq!(repo.get(&[name, "--component", "rowcount"]), b"2\n");
        // Other classes of tables have other formats.
        let other = if name == "csv" { ("FitsTable", "fits") } else { ("AstropyTable", "csv") };
        let converted = read(other.1, other.0, repo.get(&[name, "--storage-class", other.0]));
        assert_eq!(*converted.downcast_ref::<Table>().unwrap(), table());
    }
    let refused =
        repo.refused(&["get", "repo", "csv", "--collections", "r", "--parameter", "columns=[\"flx\"]"], b"");
    assert!(refused.contains("did you mean 'flux'?"), "{refused}");
}

#[test]
fn parts_of_fits_files_are_written_and_headers_are_json() {
    let repo = Repo::new(&[("image", "FitsImage")]);
    // A second part after the first, as an extension.
    let mut bytes = written("fits", "FitsImage", image(vec![1, 2, 3]));
    let mut extension = written("fits", "FitsImage", image(vec![4, 5]));
    extension[..30].copy_from_slice(b"XTENSION= 'IMAGE   '          ");
    bytes.extend(extension);
    repo.write("x.fits", bytes);
    repo.ok(&["put", "repo", "image", "--run", "r", "--file", "x.fits"]);
    let values = |bytes| match read("fits", "FitsImage", bytes).downcast_ref::<Array>().unwrap().values() {
        ArrayValues::I16(values) => values.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(values(repo.get(&["image", "--parameter", "hdu=0"])), [1, 2, 3]);
    assert_eq!(values(repo.get(&["image", "--parameter", "hdu=1"])), [4, 5]);
    let header = |words: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&repo.get(&[&["image", "--component", "header"], words].concat())).unwrap()
    };
    assert_eq!(header(&[])["NAXIS1"], 3);
    assert_eq!(header(&["--parameter", "hdu=1"])["NAXIS1"], 2);
    // As an array of NumPy, by the storage class or by the name of the file.
    repo.get(&["image", "--parameter", "hdu=1", "--output", "x.npy"]);
    let npy = fs::read(repo.0.path().join("x.npy")).unwrap();
    assert!(npy.starts_with(b"\x93NUMPY"));
    assert_eq!(repo.get(&["image", "--parameter", "hdu=1", "--storage-class", "NumpyArray"]), npy);
    let refused = repo.refused(&["get", "repo", "image", "--collections", "r", "--parameter", "hdu=2"], b"");
    assert!(refused.contains("no part 2"), "{refused}");
}

#[test]
fn what_is_not_of_its_format_is_not_put() {
    let types = [
        ("image", "FitsImage"),
        ("array", "NumpyArray"),
        ("table", "AstropyTable"),
        ("facts", "StructuredData"),
    ];
    let repo = Repo::new(&types);
    let fits = written("fits", "FitsImage", image(vec![0; 5000]));
    let npy = written("npy", "NumpyArray", image(vec![1, 2, 3]));
    repo.write("cut.fits", &fits[..fits.len() - 5760]);
    repo.write("text.fits", "no image");
    repo.write("cut.npy", &npy[..npy.len() - 1]);
    repo.write("cut", &npy[..npy.len() - 1]);
    repo.write("ragged.csv", "a,b\n1,2\n3\n");
    repo.write("table.npy", "a,b\n1,2\n");
    for (name, file, says) in [
        ("image", "cut.fits", "cut.fits is no fits of storage class 'FitsImage'"),
        ("image", "text.fits", "no valid FITS"),
        ("array", "cut.npy", "cut.npy is no npy"),
        ("array", "cut", "cut is no npy or fits"),
        ("array", "table.npy", "table.npy is no npy"),
        ("table", "ragged.csv", "line 3"),
        ("array", "none.npy", "none.npy cannot be read"),
    ] {
        let refused = repo.refused(&["put", "repo", name, "--run", "r", "--file", file], b"");
        assert!(refused.contains(says), "{file}: {refused}");
    }
    let refused = repo.refused(&["put", "repo", "image", "--run", "r"], &fits[..100]);
    assert!(refused.contains("standard input is no fits"), "{refused}");
    assert_eq!(repo.ok(&["query-collections", "repo", "--format", "json"]), b"[]\n", "nothing was put");
    // What is right is stored as it is, and read by what its name tells.
    repo.write("image.npy", &npy);
    repo.ok(&["put", "repo", "image", "--run", "r", "--file", "image.npy"]);
    assert_eq!(repo.get(&["image"]), npy);
    assert!(repo.get(&["image", "--storage-class", "FitsImage"]).starts_with(b"SIMPLE"));
    assert!(repo.run(&["put", "repo", "array", "--run", "r"], &npy).status.success());
    assert_eq!(repo.get(&["array"]), npy);
}

#[test]
fn what_is_put_without_a_name_is_recorded_as_what_it_is() {
    let repo = Repo::new(&[("array", "NumpyArray"), ("table", "AstropyTable")]);
    let config = fs::read_to_string(repo.0.path().join("repo/butler.toml")).unwrap();
    let genre = "\n[genres.picture]\nstorage_class = 'NumpyArray'\ndimensions = []\nformatter = 'fits'\n";
    repo.write("repo/butler.toml", config + genre);
    repo.ok(&["register-dataset-type", "repo", "picture", "--genre", "picture"]);
    let fits = written("fits", "FitsImage", image(vec![1, 2, 3]));
    let npy = written("npy", "NumpyArray", image(vec![1, 2, 3]));
    let rows = written("fits", "FitsTable", Object::new(table()));
    let put = |name: &str, bytes: &[u8]| {
        let output = repo.run(&["put", "repo", name, "--run", "r"], bytes);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    put("picture", &npy);
    repo.write("unnamed", &fits);
    repo.ok(&["put", "repo", "array", "--run", "r", "--file", "unnamed"]);
    put("table", &rows);
    for (name, class) in [("picture", "NumpyArray"), ("array", "NumpyArray")] {
        let values = read("npy", class, repo.get(&[name, "--storage-class", class]));
        assert_eq!(values.downcast_ref::<Array>().unwrap().shape(), [3], "{name}");
    }
    assert_eq!(repo.get(&["table", "--component", "rowcount"]), b"2\n");
    // What is no text is no CSV, though it is UTF-8.
    let refused = repo.refused(&["put", "repo", "table", "--run", "s"], b"a,b\n1,\0\n");
    assert!(refused.contains("zero byte"), "{refused}");
}

#[test]
fn whole_datasets_are_written_as_the_name_tells() {
    let repo = Repo::new(&[("facts", "StructuredData"), ("table", "AstropyTable")]);
    let put = |name: &str, bytes: &[u8]| {
        let output = repo.run(&["put", "repo", name, "--run", "r"], bytes);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let csv = written("csv", "AstropyTable", Object::new(table()));
    put("facts", br#"{"a": [1, 2]}"#);
    put("table", &csv);
    let file = |name: &str| fs::read(repo.0.path().join(name)).unwrap();
    repo.get(&["facts", "--output", "x.YAML"]);
    let yaml = String::from_utf8(file("x.YAML")).unwrap();
    assert_eq!(yaml.split_whitespace().collect::<Vec<_>>(), ["a:", "-", "1", "-", "2"]);
    for name in ["x.json", "x.txt", "x", "x.dat"] {
        repo.get(&["facts", "--output", name]);
        assert_eq!(file(name), br#"{"a": [1, 2]}"#, "{name}");
    }
    repo.get(&["table", "--output", "t.csv"]);
    assert_eq!(file("t.csv"), csv);
    repo.get(&["table", "--output", "t.fits"]);
    assert_eq!(*read("fits", "AstropyTable", file("t.fits")).downcast_ref::<Table>().unwrap(), table());
    for (name, output, says) in [("facts", "x.parquet", "tells parquet"), ("table", "t.npy", "tells npy")] {
        let refused = repo.refused(&["get", "repo", name, "--output", output, "--collections", "r"], b"");
        assert!(refused.contains(says), "{refused}");
        assert!(!repo.0.path().join(output).exists(), "{output}");
    }
    let part = ["get", "repo", "table", "--component", "rowcount", "--output", "n.npy", "--collections", "r"];
    assert!(repo.refused(&part, b"").contains("tells npy"));
}

#[test]
fn what_is_read_once_is_put() {
    let repo = Repo::new(&[("array", "NumpyArray"), ("table", "AstropyTable")]);
    let npy = written("npy", "NumpyArray", image(vec![1, 2, 3]));
    let put = ["put", "repo", "array", "--run", "r", "--file", "/dev/stdin"];
    let output = repo.run(&put, &npy);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(repo.get(&["array"]), npy);
    let refused = repo.refused(&["put", "repo", "table", "--run", "r", "--file", "."], b"");
    assert!(refused.contains(". cannot be"), "{refused}");
}

#[test]
fn integers_that_would_be_rounded_are_not_put() {
    let repo = Repo::new(&[("facts", "StructuredData")]);
    repo.write("x.yaml", "a: 123456789012345678901\n");
    let put = ["put", "repo", "facts", "--run", "r"];
    for (more, input) in [(&[][..], &br#"{"a": 123456789012345678901}"#[..]), (&["--file", "x.yaml"], b"")] {
        let refused = repo.refused(&[&put[..], more].concat(), input);
        assert!(refused.contains("123456789012345678901 has more than 64 bits"), "{refused}");
    }
    assert!(repo.run(&put, b"[18446744073709551615]").status.success());
    assert_eq!(repo.get(&["facts"]), b"[18446744073709551615]");
    // Digits that are no numbers are nobody's business, though a number is the same.
    let sound = br#"{"id": "100000000000000000000", "x": 1e+20}"#;
    assert!(repo.run(&["put", "repo", "facts", "--run", "s"], sound).status.success());
    repo.write("y.YAML", "# 100000000000000000000\nx: 1e+20\nid: '100000000000000000000'\n");
    repo.ok(&["put", "repo", "facts", "--run", "t", "--file", "y.YAML"]);
    repo.write("y.Toml", "x = 1\n");
    repo.ok(&["put", "repo", "facts", "--run", "u", "--file", "y.Toml"]);
    assert_eq!(repo.ok(&["get", "repo", "facts", "--collections", "u"]), b"{\"x\": 1}");
}

#[test]
fn the_quiet_hear_answers_only() {
    let repo = Repo::new(&[("facts", "StructuredData")]);
    for words in [
        &["register-collection", "repo", "run", "--type", "run"][..],
        &["register-dataset-type", "repo", "other", "Text"],
        &["remove-dataset-type", "repo", "other", "--no-confirm"],
        &["create", "second"],
    ] {
        let told = repo.ok(&[&["-q"], words].concat());
        assert!(told.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&told));
    }
    let answer = String::from_utf8(repo.ok(&["-q", "query-dataset-types", "repo"])).unwrap();
    assert!(answer.contains("facts") && !answer.contains("other"), "{answer}");
}

#[test]
fn genres_are_shown_to_people() {
    let repo = Repo::new(&[("facts", "StructuredData")]);
    let show = ["query-dataset-types", "repo", "--show-definitions"];
    let shown = |words: &[&str]| String::from_utf8(repo.ok(words)).unwrap();
    assert!(!shown(&show).contains("genre"));
    let config = fs::read_to_string(repo.0.path().join("repo/butler.toml")).unwrap();
    repo.write(
        "repo/butler.toml",
        config + "\n[genres.catalog]\nstorage_class = 'AstropyTable'\ndimensions = []\n",
    );
    repo.ok(&["register-dataset-type", "repo", "stars", "--genre", "catalog"]);
    let table = shown(&show);
    let line = table.lines().find(|line| line.starts_with("stars")).unwrap();
    assert!(table.lines().next().unwrap().ends_with("genre") && line.ends_with("catalog"), "{table}");
    assert!(!shown(&["query-dataset-types", "repo", "--format", "json"]).contains("genre"));
}
