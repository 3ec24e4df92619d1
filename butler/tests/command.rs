//! The command as a person meets it: the demonstration, round trips, and what it says to bad input.
#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

/// How a command ended.
struct Ended {
    status: i32,
    out: Vec<u8>,
    err: String,
}

impl Ended {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.status, 0, "{}", self.err);
        String::from_utf8(self.out).unwrap()
    }
}

fn run(directory: &Path, words: &[&str], input: &[u8]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_butler"))
        .args(words)
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A repository of the demonstration, which tests copy.
static DEMO: LazyLock<(TempDir, String)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let told = run(directory.path(), &["demo", "repo"], b"").ok();
    (directory, told)
});

struct Repo(TempDir);

impl Repo {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(&DEMO.0.path().join("repo"), &directory.path().join("repo"));
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn butler(&self, words: &[&str]) -> Ended {
        self.butler_with(words, b"")
    }

    fn butler_with(&self, words: &[&str], input: &[u8]) -> Ended {
        run(self.0.path(), words, input)
    }

    /// All that can be seen of the repository: its files, and what it answers.
    fn fingerprint(&self) -> String {
        let mut all = String::new();
        let mut files = Vec::new();
        list(&self.path("repo"), &mut files);
        files.retain(|file| !file.to_string_lossy().contains("registry.sqlite3"));
        files.sort();
        for file in files {
            writeln!(all, "{} {:?}", file.display(), fs::read(&file).unwrap()).unwrap();
        }
        for words in [
            ["query-datasets", "repo", "--format", "ndjson"],
            ["query-collections", "repo", "--format", "ndjson"],
            ["query-dataset-types", "repo", "--format", "ndjson"],
        ] {
            let mut lines: Vec<String> = self.butler(&words).ok().lines().map(str::to_owned).collect();
            lines.sort();
            all.push_str(&lines.join("\n"));
        }
        for element in ["instrument", "detector", "visit", "exposure"] {
            let words = ["query-dimension-records", "repo", element, "--format", "ndjson"];
            all.push_str(&self.butler(&words).ok());
        }
        all
    }
}

fn list(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), into);
        } else {
            into.push(entry.path());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_demonstration_shows_each_command_and_its_answer() {
    let told = &DEMO.1;
    let commands = told.lines().filter(|line| line.starts_with("$ butler ")).count();
    assert!(commands > 30, "{told}");
    for part in [
        "# Question 1: which raw exposures of the second night were taken in r?",
        "# Question 4: of results made twice, which are the latest?",
        "32 datasets are in DemoCam/raw",
        "[u/you/second, u/you/first, DemoCam/defaults]",
        "{\"stars\": 421, \"seeing\": 0.71, \"made_by\": \"you\"}",
    ] {
        assert!(told.contains(part), "'{part}' is missing in:\n{told}");
    }
    let third = told.split("# Question 3").nth(1).unwrap();
    assert!(third.contains("found bias {instrument: 'DemoCam', detector: 2} in DemoCam/calib/b"), "{third}");
}

#[test]
fn what_is_put_comes_back_byte_for_byte_in_its_format() {
    let repo = Repo::new();
    for (name, class) in [("note", "Text"), ("blob", "Bytes"), ("facts", "StructuredDataDict")] {
        repo.butler(&["register-dataset-type", "repo", name, class, "detector"]).ok();
    }
    let bytes: Vec<u8> = (0..=255).collect();
    let cases: [(&str, &[u8]); 3] = [
        ("note", "Grüße, 星\n".as_bytes()),
        ("blob", &bytes),
        ("facts", br#"{"a":[1,2.5,null],"b":"\u00e9"}"#),
    ];
    for (name, content) in cases {
        let put =
            ["put", "repo", name, "instrument=DemoCam", "detector=1", "--run", "u/x", "--format", "json"];
        let put: serde_json::Value = serde_json::from_str(&repo.butler_with(&put, content).ok()).unwrap();
        assert_eq!(put["run"], "u/x");
        let by_id = ["get", "repo", "--id", put["id"].as_str().unwrap()];
        let by_name = ["get", "repo", name, "instrument=DemoCam", "detector=R0_S1", "--collections", "u/x"];
        for words in [&by_id[..], &by_name[..]] {
            let got = repo.butler(words);
            assert_eq!(got.status, 0, "{}", got.err);
            if name == "facts" {
                let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
                assert_eq!(parse(&got.out), parse(content));
            } else {
                assert_eq!(got.out, content);
            }
        }
    }
}

#[test]
fn a_second_put_says_what_is_there_and_where() {
    let repo = Repo::new();
    let words = [
        "put",
        "repo",
        "stars",
        "instrument=DemoCam",
        "visit=2026011501",
        "detector=0",
        "--run",
        "u/you/first",
    ];
    let ended = repo.butler_with(&words, b"{}");
    assert_eq!(ended.status, 1);
    assert!(ended.err.contains("exists already in run 'u/you/first', with id "), "{}", ended.err);
    assert!(ended.err.contains("it is stored at file://"), "{}", ended.err);
    assert!(ended.err.contains("/repo/u/you/first/stars/"), "{}", ended.err);
}

#[test]
fn an_ingest_whose_third_file_is_missing_leaves_nothing() {
    let repo = Repo::new();
    let mut table = "path,instrument,visit,detector\n".to_owned();
    for detector in 0..4 {
        if detector != 2 {
            repo.write(&format!("{detector}.json"), "{}");
        }
        writeln!(table, "{detector}.json,DemoCam,2026011501,{detector}").unwrap();
    }
    repo.write("table.csv", table);
    let before = repo.fingerprint();
    for transfer in ["copy", "hardlink", "symlink", "move", "direct", "auto"] {
        let words = ["ingest-files", "repo", "stars", "u/new", "table.csv", "--transfer", transfer];
        let ended = repo.butler(&words);
        assert_eq!(ended.status, 1, "{transfer}");
        assert!(ended.err.contains("2.json"), "{}", ended.err);
        assert_eq!(repo.fingerprint(), before, "{transfer}");
        assert!(repo.path("0.json").exists(), "{transfer}");
    }
    repo.write("2.json", "{}");
    let words = ["ingest-files", "repo", "stars", "u/new", "table.csv", "--transfer", "move"];
    assert_eq!(repo.butler(&words).ok(), "4 datasets are in u/new\n");
    assert!(!repo.path("0.json").exists());
}

#[test]
fn bad_input_is_refused_clearly_and_changes_nothing() {
    let repo = Repo::new();
    repo.write("stars.json", "{}");
    repo.write("bad.json", "[{\"instrument\": \"DemoCam\",\n \"id\" 7}]");
    repo.write("short.csv", "instrument,id,full_name\nDemoCam,7\n");
    repo.write("typed.csv", "instrument,id,full_name\nDemoCam,x,b\n");
    repo.write("field.csv", "instrument,id,full_nam\nDemoCam,9,b\n");
    repo.write("bad.yaml", "- instrument: [DemoCam\n");
    repo.write(
        "export.yaml",
        "description: Butler Data Repository Export\nversion: 1.0.2\ndata:\n- type: dimensoin\n",
    );
    repo.write("table.csv", "path,instrument,vist\nstars.json,DemoCam,1\n");
    let put = |run: &'static str, value: &'static str| {
        vec![
            "put",
            "repo",
            "stars",
            "instrument=DemoCam",
            "visit=2026011501",
            value,
            "--run",
            run,
            "--file",
            "stars.json",
        ]
    };
    let records = |file: &'static str| vec!["insert-dimension-records", "repo", "detector", file];
    let stars = |more: &[&'static str]| [&["query-datasets", "repo", "stars"], more].concat();
    let cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["query-datasets", "repo", "star"], 1, "did you mean 'stars'?"),
        (vec!["query-data-ids", "repo", "vist"], 1, "did you mean 'visit'?"),
        (stars(&["--collections", "u/you/frst"]), 1, "collection 'u/you/frst' does not exist"),
        (
            vec!["register-dataset-type", "repo", "x", "StructuredDataDct", "visit"],
            1,
            "did you mean 'StructuredDataDict'?",
        ),
        (
            vec!["register-dataset-type", "repo", "x", "StructuredDataDict", "vist"],
            1,
            "did you mean 'visit'?",
        ),
        (vec!["register-dataset-type", "repo", "a;b", "StructuredDataDict"], 2, "cannot name a dataset type"),
        (
            vec!["register-dataset-type", "repo", "stars", "StructuredDataDict", "visit"],
            1,
            "registered otherwise",
        ),
        (stars(&["--where", "visit = 'x'"]), 1, "does not take int and string"),
        (stars(&["--where", "instrument = 'DemoCam' AND (visit ="]), 1, "at character 36"),
        (stars(&["--order-by", "vist"]), 1, "`vist` is no dimension"),
        (put("u/x", "detector=99"), 1, "has no record for"),
        (put("u/x", "detectr=1"), 1, "did you mean 'detector'?"),
        (put("u/x", "detector=1'; DROP TABLE dataset; --"), 1, "no record of dimension 'detector'"),
        (put("u/x", "detector=../../etc"), 1, "no record of dimension 'detector'"),
        (put("u/x", "detector=1\n"), 1, "no record of dimension 'detector'"),
        (put("..", "detector=1"), 2, "cannot name a collection"),
        (put("a/../b", "detector=1"), 2, "cannot name a collection"),
        (put("/etc", "detector=1"), 2, "cannot name a collection"),
        (put("new\nline", "detector=1"), 2, "must not contain control characters"),
        (put(".butler/journal", "detector=1"), 1, "where the repository keeps its own files"),
        (put("registry.sqlite3-wal", "detector=1"), 1, "where the repository keeps its own files"),
        (records("bad.json"), 2, "line 2 column 7"),
        (records("short.csv"), 2, "line: 2"),
        (records("typed.csv"), 1, "typed.csv, line 2, column 2 (id)"),
        (records("field.csv"), 1, "did you mean 'full_name'?"),
        (records("bad.yaml"), 2, "line 1 column 15"),
        (records("none.json"), 2, "none.json cannot be read"),
        (vec!["import", "repo", "."], 2, "export.yaml:4:9"),
        (vec!["ingest-files", "repo", "stars", "u/x", "table.csv"], 1, "did you mean 'visit'?"),
        (vec!["create", "repo"], 1, "there is a repository already"),
        (vec!["query-collections", "."], 1, "is no repository"),
        (vec!["query-colections", "repo"], 2, "query-collections"),
        (vec!["get", "repo", "--id", "1"], 2, "is no UUID"),
        (vec!["collection-chain", "repo", "u/you/best", "u/you/best"], 1, "would contain itself"),
        (
            vec!["certify-calibrations", "repo", "u/you/first", "DemoCam/calib", "stars"],
            1,
            "is no calibration",
        ),
    ];
    let before = repo.fingerprint();
    for (words, status, says) in cases {
        let ended = repo.butler(&words);
        assert_eq!(ended.status, status, "{words:?}: {}", ended.err);
        assert!(ended.err.contains(says), "{words:?} says:\n{}", ended.err);
        assert!(ended.out.is_empty(), "{words:?}");
        assert!(!ended.err.contains("panicked"), "{words:?}: {}", ended.err);
    }
    assert_eq!(repo.fingerprint(), before);
}

#[test]
fn unusable_configurations_name_the_culprit() {
    let repo = Repo::new();
    let cases = [
        ("format = 1\n[regstry]\nkind = 'sql'\n", "did you mean 'registry'?"),
        ("format = 1\n[registry\n", "line 2, column 10"),
        ("format = 99\n", "reads format 1"),
        (
            "format = 1\n[registry]\nkind = 'sql'\nurl = 'mysql:x'\n[datastore]\nkind = 'file'\nroot = '.'\n",
            "names no database",
        ),
        (
            "format = 1\n[registry]\nkind = 'sql'\nurl = 'sqlite:<root>/registry.sqlite3'\n[datastore]\nkind = 'fil'\n",
            "did you mean 'file'?",
        ),
    ];
    for (text, says) in cases {
        repo.write("repo/butler.toml", text);
        let ended = repo.butler(&["query-collections", "repo"]);
        assert_eq!(ended.status, 1, "{text}: {}", ended.err);
        assert!(ended.err.contains(says), "{text}: {}", ended.err);
    }
}

#[test]
fn answers_come_as_json_lines_and_csv_as_promised() {
    let repo = Repo::new();
    let collections = repo.butler(&["query-collections", "repo", "u/you/*", "--format", "json"]).ok();
    let collections: serde_json::Value = serde_json::from_str(&collections).unwrap();
    assert_eq!(
        collections,
        serde_json::json!([
            {"name": "u/you/best", "type": "CHAINED", "doc": "",
             "children": ["u/you/second", "u/you/first", "DemoCam/defaults"]},
            {"name": "u/you/first", "type": "RUN", "doc": ""},
            {"name": "u/you/red", "type": "TAGGED", "doc": ""},
            {"name": "u/you/second", "type": "RUN", "doc": ""},
        ])
    );
    let condition = "instrument='DemoCam' AND visit=2026011602 AND detector=3";
    let ids = repo.butler(&[
        "query-data-ids",
        "repo",
        "visit",
        "detector",
        "--where",
        condition,
        "--format",
        "ndjson",
    ]);
    assert_eq!(
        ids.ok(),
        "{\"band\":\"r\",\"instrument\":\"DemoCam\",\"day_obs\":20260116,\"detector\":3,\
         \"physical_filter\":\"DemoCam-R\",\"visit\":2026011602}\n"
    );
    let csv = repo.butler(&["query-dimension-records", "repo", "physical_filter", "--format", "csv"]).ok();
    assert_eq!(csv, "instrument,physical_filter,band\nDemoCam,DemoCam-G,g\nDemoCam,DemoCam-R,r\n");
    let none =
        repo.butler(&["query-datasets", "repo", "raw", "--collections", "u/you/red", "--format", "json"]);
    assert_eq!(none.ok(), "[]\n");
    let types = repo.butler(&["query-dataset-types", "repo", "bias", "--format", "json"]).ok();
    let types: serde_json::Value = serde_json::from_str(&types).unwrap();
    assert_eq!(
        types,
        serde_json::json!([{"name": "bias", "dimensions": ["instrument", "detector"],
            "storage_class": "StructuredDataDict", "is_calibration": true, "kind": "standard"}])
    );
}

#[test]
fn an_empty_answer_says_why_to_people_only() {
    let repo = Repo::new();
    let condition = "instrument = 'DemoCam' AND detector = 99";
    let reason = "reason: there is no detector 99 of instrument 'DemoCam'";
    for words in [
        &["query-datasets", "repo", "raw", "--where", condition][..],
        &["query-data-ids", "repo", "detector", "--where", condition],
        &["query-dimension-records", "repo", "detector", "--where", condition],
    ] {
        let told = repo.butler(words);
        assert!(told.err.contains(reason), "{}", told.err);
        assert!(told.ok().starts_with("No results."));
        let silent = repo.butler(&[words, &["--format", "json"]].concat());
        assert!(!silent.err.contains("reason"), "{}", silent.err);
        assert_eq!(silent.ok().trim(), "[]");
        let explained = repo.butler(&[words, &["--explain"]].concat()).ok();
        assert!(explained.starts_with("No rows:\n  there is no detector 99"), "{explained}");
        assert!(explained.contains("\ntable ") || explained.contains(" table "), "{explained}");
        assert!(explained.contains("SELECT "), "{explained}");
    }
    let found = repo.butler(&["query-data-ids", "repo", "detector", "--explain", "--format", "json"]).ok();
    assert!(found.contains("\"reasons\": []"), "{found}");
}

#[test]
fn calibrations_are_exported_with_their_files_and_come_in_elsewhere() {
    let repo = Repo::new();
    let told = repo.butler(&["export-calibs", "repo", "out"]).ok();
    assert!(told.contains("datasets: ") && told.contains("validity ranges: "), "{told}");
    let again = repo.butler(&["export-calibs", "repo", "out"]);
    assert!(again.status == 1 && again.err.contains("is not empty"), "{}", again.err);
    repo.butler(&["create", "other"]).ok();
    repo.butler(&["import", "other", "out"]).ok();
    let calibrations = ["DemoCam/calib/*", "--format", "ndjson"];
    let of = |name: &str| {
        let words = [&["query-datasets", name, "--collections"], &calibrations[..]].concat();
        let mut lines: Vec<String> = repo.butler(&words).ok().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(!of("repo").is_empty());
    assert_eq!(of("other"), of("repo"));
}

/// What a repository answers of its datasets.
fn datasets_of(repo: &Repo, name: &str) -> Vec<String> {
    let words = ["query-datasets", name, "--format", "ndjson", "--no-find-first"];
    let mut lines: Vec<String> = repo.butler(&words).ok().lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn datasets_are_taken_over_by_another_repository() {
    let repo = Repo::new();
    repo.butler(&["create", "other"]).ok();
    let transfer = ["transfer-datasets", "repo", "other", "--register-dataset-types"];
    let all = datasets_of(&repo, "repo");
    let refused = repo.butler(&transfer[..3]);
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("is not registered"), "{}", refused.err);
    let dry = repo.butler(&[&transfer[..], &["--dry-run"]].concat()).ok();
    assert_eq!(dry, format!("Number of datasets that would be transferred: {}\n", all.len()));
    assert!(datasets_of(&repo, "other").is_empty());
    let told = repo.butler(&transfer).ok();
    assert_eq!(told, format!("Number of datasets transferred: {}\n", all.len()));
    assert_eq!(datasets_of(&repo, "other"), all);
    let again = repo.butler(&transfer).ok();
    assert_eq!(again, "Number of datasets transferred: 0\n");
    repo.butler(&["verify", "other", "--checksum", "--orphans"]).ok();
}

#[test]
fn whole_repositories_are_exported_and_come_in_elsewhere() {
    let repo = Repo::new();
    let all = datasets_of(&repo, "repo");
    for (options, directory) in [
        (vec!["copied"], "copied"),
        (vec!["described", "--in-place"], "repo"),
        (vec!["bare", "--registry-only"], ""),
    ] {
        repo.butler(&[&["export", "repo"], &options[..]].concat()).ok();
        let (name, export) = (format!("from-{}", options[0]), format!("{}/export.yaml", options[0]));
        repo.butler(&["create", &name]).ok();
        let mut import = vec!["import", &name, directory, "--export-file", &export, "-t", "copy"];
        if directory.is_empty() {
            import[2] = ".";
            import.push("--registry-only");
        }
        repo.butler(&import).ok();
        assert_eq!(datasets_of(&repo, &name), all, "{options:?}");
        let collections = |repository: &str| {
            let words = ["query-collections", repository, "--chains", "tree"];
            repo.butler(&words).ok()
        };
        assert_eq!(collections(&name), collections("repo"), "{options:?}");
        repo.butler(&["verify", &name, "--checksum", "--orphans"]).ok();
    }
}

#[test]
fn repositories_have_urls_too() {
    let repo = Repo::new();
    let url = |name: &str| format!("file://{}", repo.path(name).display());
    repo.butler(&["create", &url("a%20b")]).ok();
    assert!(repo.path("a b/butler.toml").is_file());
    assert_eq!(datasets_of(&repo, &url("repo")), datasets_of(&repo, "repo"));
    let elsewhere = repo.butler(&["create", "file://elsewhere/c"]);
    assert!(elsewhere.status == 2 && elsewhere.err.contains("no URI of a local file"), "{}", elsewhere.err);
}

#[test]
fn files_are_put_from_where_one_is() {
    let repo = Repo::new();
    repo.write("numbers.csv", "a,b\n1,2\n");
    repo.write("repo/numbers.csv", "a,b\n3,4\n");
    repo.butler(&["register-dataset-type", "repo", "numbers", "ArrowTable", "instrument"]).ok();
    let target = ["numbers", "instrument=DemoCam"];
    repo.butler(&[&["put", "repo"], &target[..], &["--run", "mine", "--file", "numbers.csv"]].concat()).ok();
    let url = format!("file://{}", repo.path("out.csv").display());
    let from = ["--collections", "mine", "--output", &url];
    repo.butler(&[&["get", "repo"], &target[..], &from[..]].concat()).ok();
    assert_eq!(fs::read_to_string(repo.path("out.csv")).unwrap(), "a,b\n1,2\n");
}

#[test]
fn what_is_ingested_again_is_passed_over() {
    let repo = Repo::new();
    repo.write("a.json", "{}");
    repo.write("table.csv", "path,instrument\na.json,DemoCam\n");
    repo.butler(&["register-dataset-type", "repo", "thing", "StructuredDataDict", "instrument"]).ok();
    let ingest = ["ingest-files", "repo", "thing", "mine", "table.csv", "-t", "copy"];
    let ids = ["--id-generation-mode", "dataid_type_run"];
    assert_eq!(repo.butler(&[&ingest[..], &ids].concat()).ok(), "1 datasets are in mine\n");
    assert_eq!(repo.butler(&[&ingest[..], &ids].concat()).status, 1);
    assert_eq!(
        repo.butler(&[&ingest[..], &ids, &["--skip-existing"]].concat()).ok(),
        "0 more datasets are in mine\n"
    );
    assert_eq!(repo.butler(&[&ingest[..], &["--skip-existing"]].concat()).status, 2);
}

#[test]
fn configuration_is_shown_without_a_registry() {
    let repo = Repo::new();
    let shown = repo.butler(&["config-dump", "repo"]).ok();
    fs::remove_file(repo.path("repo/registry.sqlite3")).unwrap();
    assert_eq!(repo.butler(&["config-dump", "repo"]).ok(), shown);
}

#[test]
fn artifacts_are_retrieved_once() {
    let repo = Repo::new();
    let words = ["retrieve-artifacts", "repo", "got", "-d", "raw", "--collections", "DemoCam/raw"];
    assert_eq!(repo.butler(&words).ok().trim(), "Number of artifacts retrieved into destination: 32");
    let mut files = Vec::new();
    list(&repo.path("got"), &mut files);
    assert_eq!(files.len(), 32);
    assert!(files.iter().all(|file| file.starts_with(repo.path("got/DemoCam/raw"))), "{files:?}");
    let again = repo.butler(&words);
    assert!(again.status == 1 && again.err.contains("exists"), "{}", again.err);
    repo.butler(&[&words[..], &["--clobber", "--transfer", "symlink"]].concat()).ok();
}

/// A watcher in another process.
struct Watcher {
    child: std::process::Child,
    err: std::io::BufReader<std::process::ChildStderr>,
}

impl Watcher {
    /// Starts one, and waits until it sees what comes.
    fn start(repo: &Repo, words: &[&str]) -> Self {
        use std::io::BufRead as _;
        let mut child = Command::new(env!("CARGO_BIN_EXE_butler"))
            .args(["watch", "repo", "--interval", "20ms"])
            .args(words)
            .current_dir(repo.0.path())
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        assert!(line.starts_with("watching"), "{line}");
        Self { child, err }
    }

    fn end(mut self) -> Ended {
        use std::io::Read as _;
        let mut err = String::new();
        self.err.read_to_string(&mut err).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Ended { status: output.status.code().unwrap_or(-1), out: output.stdout, err }
    }
}

#[test]
fn what_others_store_is_watched_in_their_order_and_once() {
    let repo = Repo::new();
    let put = |name: &str, run: &str, detector: usize| {
        let detector = format!("detector={detector}");
        let words = ["put", "repo", name, "instrument=DemoCam", &detector, "--run", run, "--format", "json"];
        let put: serde_json::Value = serde_json::from_str(&repo.butler_with(&words, b"x").ok()).unwrap();
        put
    };
    repo.butler(&["register-dataset-type", "repo", "note", "Text", "detector"]).ok();
    put("note", "u/x", 0);
    let all = Watcher::start(&repo, &["--format", "ndjson", "--count", "5", "--timeout", "10m"]);
    let some = Watcher::start(
        &repo,
        &["new*", "--where", "instrument = 'DemoCam' AND detector > 0", "--format", "json", "--count", "2"],
    );
    let table = Watcher::start(&repo, &["note", "--collections", "u/x,u/y*", "--count", "2"]);
    let csv = Watcher::start(&repo, &["note", "--count", "1", "--format", "csv"]);
    // What is registered while somebody watches is seen, too.
    repo.butler(&["register-dataset-type", "repo", "newer", "Text", "detector"]).ok();
    let mut stored = Vec::new();
    for (name, run, detector) in [
        ("note", "u/x", 1),
        ("newer", "u/x", 0),
        ("newer", "u/x", 1),
        ("note", "u/yz", 2),
        ("newer", "u/new", 3),
    ] {
        stored.push(put(name, run, detector));
    }
    let told = all.end().ok();
    let told: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 5);
    for dataset in &stored {
        assert_eq!(told.iter().filter(|told| told == &dataset).count(), 1, "{dataset} in {told:?}");
    }
    let told: serde_json::Value = serde_json::from_str(&some.end().ok()).unwrap();
    assert_eq!(told, serde_json::json!([stored[2], stored[4]]));
    let told = table.end().ok();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with(&format!("note  u/x  {}  ", stored[0]["id"].as_str().unwrap())), "{told}");
    assert!(lines[1].contains("u/yz") && lines[1].contains("detector: 2"), "{told}");
    let told = csv.end().ok();
    assert!(told.starts_with("type,run,id,data_id\nnote,u/x,"), "{told}");
}

#[test]
fn a_watch_ends_when_it_is_told_to() {
    let repo = Repo::new();
    let ended = Watcher::start(&repo, &["--timeout", "30ms", "--format", "json"]).end();
    assert_eq!((ended.status, String::from_utf8(ended.out).unwrap().as_str()), (0, "[]\n"), "{}", ended.err);
    let ended = Watcher::start(&repo, &["--timeout", "30ms", "--count", "1"]).end();
    assert_eq!(ended.status, 1);
    assert!(ended.err.contains("only 0 of 1 datasets came in time"), "{}", ended.err);
    let watcher = Watcher::start(&repo, &["--format", "json"]);
    let pid = watcher.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = watcher.end();
    assert_eq!((ended.status, ended.out.as_slice()), (130, b"[]\n".as_slice()), "{}", ended.err);
    let ended = repo.butler(&["watch", "repo", "--where", "nonsense = 3", "--timeout", "1s"]);
    assert_eq!(ended.status, 1);
    let ended = repo.butler(&["watch", "repo", "--count", "0"]);
    assert_eq!(ended.status, 2);
}
