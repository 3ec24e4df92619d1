//! Processes are killed at any moment; a recovery leaves everything whole, and nothing that was acknowledged is lost.
//!
//! A child works on a repository and writes down what it is about to do, and what it has done. It is killed
//! after a random time, or aborts at a place between two steps of a protocol. Then a recovery, which is sometimes killed
//! too; then everything is looked at.
//!
//! `BUTLER_CRASH_RUNS` sets the number of kills (60), `BUTLER_CRASH_SEED` the first seed (1).

mod child;
mod model;
mod saboteur;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use butler::VerifyOptions;
use tempfile::TempDir;

use self::model::Model;
use crate::fixture::{artifacts, at_once, create, open};

/// Where the child works.
const PLACE: &str = "BUTLER_TEST_PLACE";
/// Seed of the child.
const SEED: &str = "BUTLER_TEST_SEED";
/// What the child does wrong.
const FLAW: &str = "BUTLER_TEST_FLAW";

/// Places at which a writer or remover may die.
const STEPS: [&str; 18] = [
    "entry written",
    "entry published",
    "removal announced",
    "write announced",
    "artifact written",
    "artifact placed",
    "artifact linked",
    "write executed",
    "registry begins",
    "registry committed",
    "artifact settled",
    "source goes",
    "entry goes",
    "entry gone",
    "write settled",
    "artifact deleted",
    "removal settled",
    "anywhere",
];

/// Places at which a recovery may die.
const RECOVERY_STEPS: [&str; 6] = [
    "recovery renewed",
    "recovery claimed",
    "recovery worked",
    "artifact deleted",
    "entry goes",
    "entry gone",
];

/// A run of the harness.
struct Trial {
    directory: TempDir,
    seed: u64,
    flaw: Option<&'static str>,
}

impl Trial {
    /// On a copy of a repository.
    fn new(template: &Path, seed: u64, flaw: Option<&'static str>) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("repo")).unwrap();
        for file in ["butler.toml", "registry.sqlite3"] {
            std::fs::copy(template.join(file), directory.path().join("repo").join(file)).unwrap();
        }
        Self { directory, seed, flaw }
    }

    fn repository(&self) -> PathBuf {
        self.directory.path().join("repo")
    }

    /// Starts this program again, as a child that works or recovers.
    fn start(&self, test: &str, step: &str, count: u64) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture"]);
        command.env(PLACE, self.directory.path()).env(SEED, self.seed.to_string());
        command.env("BUTLER_FAILPOINT", format!("{step}:{count}"));
        command.env("BUTLER_FAILPOINT_LOG", self.directory.path().join("step"));
        // The system outlives the process: what it was told need not be on the disk.
        command.env("BUTLER__REGISTRY__DURABILITY", "fast").env("RUST_BACKTRACE", "0");
        if let Some(flaw) = self.flaw {
            command.env(FLAW, flaw);
        }
        command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.directory.path().join("errors")).unwrap())
            .spawn()
            .unwrap()
    }

    /// The place that the child passed last.
    fn last_step(&self) -> String {
        let step = std::fs::read_to_string(self.directory.path().join("step")).unwrap_or_default();
        if step.trim().is_empty() { "before all".to_owned() } else { step.trim().to_owned() }
    }

    /// Lets a child work, and kills it; tells where, or why it failed by itself.
    fn kill(&self, random: &mut fastrand::Rng, number: usize) -> Result<Option<String>, String> {
        let step = STEPS[number % STEPS.len()];
        let mut child = self.start("crash::child::works", step, random.u64(1..30));
        if step == "anywhere" || number.is_multiple_of(2) {
            self.wait_for_work(&mut child);
            std::thread::sleep(Duration::from_micros(random.u64(0..300_000)));
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        if status.code() == Some(101) {
            return Err(std::fs::read_to_string(self.directory.path().join("errors")).unwrap());
        }
        // One that did not pass that place often enough has done all its work.
        Ok((!status.success()).then(|| self.last_step()))
    }

    fn wait_for_work(&self, child: &mut Child) {
        let begun = Instant::now();
        while self.journal().is_empty() && begun.elapsed() < Duration::from_secs(10) {
            if child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the child wrote down.
    fn journal(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("journal")).unwrap_or_default()
    }

    /// What is wrong after a recovery.
    async fn examine(&self) -> Result<(), String> {
        let butler = open(&self.repository()).await;
        for _ in 0..2 {
            butler.recover(&at_once()).await.map_err(|error| format!("recovery: {error:#}"))?;
        }
        if self.repository().join(".butler/journal").read_dir().is_ok_and(|mut items| items.next().is_some())
        {
            return Err("entries are left in the journal".into());
        }
        let options = VerifyOptions { checksum: true, orphans: true, ..VerifyOptions::default() };
        let report = butler.verify(&options).await.map_err(|error| format!("verification: {error:#}"))?;
        if !report.is_sound() {
            return Err(format!("{report:#?}"));
        }
        Model::read(&self.journal()).compare(&butler, self.directory.path()).await
    }
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn template() -> TempDir {
    let directory = TempDir::new().unwrap();
    let butler = create(directory.path()).await;
    butler.close().await.unwrap();
    drop(butler);
    // Until the last connection has gone, rows may be in the log alone.
    let backend = butler_registry_sql::SqliteBackend::open(&butler_registry_sql::SqliteConfig::file(
        directory.path().join("registry.sqlite3"),
    ))
    .unwrap();
    backend.freeze().await.unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_processes_are_killed() {
    let (runs, first) = (number_of("BUTLER_CRASH_RUNS", 60), number_of("BUTLER_CRASH_SEED", 1));
    let template = template().await;
    let mut kills: BTreeMap<String, u64> = BTreeMap::new();
    let (mut finished, mut acknowledged, mut open) = (0, 0, 0);
    for seed in first..first + runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let trial = Trial::new(template.path(), seed, None);
        let killed = trial.kill(&mut random, (seed - first) as usize);
        match killed.unwrap_or_else(|errors| panic!("seed {seed}: the child failed by itself: {errors}")) {
            Some(step) => *kills.entry(step).or_default() += 1,
            None => finished += 1,
        }
        // Every third recovery is killed too.
        if seed.is_multiple_of(3) {
            let step = RECOVERY_STEPS[random.usize(..RECOVERY_STEPS.len())];
            let _ = std::fs::remove_file(trial.directory.path().join("step"));
            let _ = trial.start("crash::child::recovers", step, random.u64(1..3)).wait();
            *kills.entry(format!("recovery: {}", trial.last_step())).or_default() += 1;
        }
        let model = Model::read(&trial.journal());
        acknowledged += model.acknowledged;
        open += u64::from(model.is_open());
        if let Err(wrong) = trial.examine().await {
            let files = artifacts(&trial.repository());
            let place = trial.directory.keep();
            panic!("seed {seed}, killed after {kills:?}, in {}: {wrong}\n{files:#?}", place.display());
        }
    }
    let told: Vec<String> = kills.iter().map(|(step, count)| format!("{count:5}  {step}")).collect();
    report(&format!(
        "{runs} runs from seed {first}: {acknowledged} operations acknowledged, {open} interrupted, \
         {finished} children finished\n{}",
        told.join("\n")
    ));
    assert!(acknowledged > 0 && open > 0, "the children did not get to work");
    assert!(kills.len() > 8, "the children died at few places: {kills:?}");
}

#[expect(clippy::print_stderr, reason = "the histogram is what a big run is for")]
fn report(text: &str) {
    eprintln!("{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_breaks_the_protocol_is_found_out() {
    let template = template().await;
    for flaw in saboteur::FLAWS {
        let mut found = None;
        for seed in 1..=60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let trial = Trial::new(template.path(), seed, Some(flaw));
            let killed = trial.kill(&mut random, seed as usize);
            // Whatever goes wrong, and be it that the child cannot go on, is noticed.
            if let Err(wrong) = match killed {
                Ok(_) => trial.examine().await,
                Err(errors) => Err(errors),
            } {
                found = Some((seed, wrong));
                break;
            }
        }
        let (seed, wrong): (u64, String) = found.unwrap_or_else(|| panic!("'{flaw}' was not noticed"));
        let wrong = wrong.lines().take(4).collect::<Vec<_>>().join(" ");
        report(&format!("'{flaw}' was noticed at seed {seed}: {wrong}"));
    }
}
