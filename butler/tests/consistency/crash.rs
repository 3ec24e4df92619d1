//! Processes are killed at any moment; a recovery leaves everything whole, and nothing that was acknowledged is lost.
//!
//! A child works on a repository and writes down what it is about to do, and what it has done. It is killed
//! after a random time, or aborts at a place between two steps of a protocol. Then a recovery, which is sometimes killed
//! too; then everything is looked at.
//!
//! There is a test for each kind of repository. `BUTLER_CRASH_RUNS` sets the number of kills in each,
//! `BUTLER_CRASH_SEED` the first seed (1).

mod child;
mod model;
mod place;
mod saboteur;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use butler::VerifyOptions;

use self::model::Model;
pub(crate) use self::place::{Kind, Place, Template};
use crate::fixture::{at_once, open};

/// Where the child works.
const PLACE: &str = "BUTLER_TEST_PLACE";
/// Seed of the child.
const SEED: &str = "BUTLER_TEST_SEED";
/// What the child does wrong.
const FLAW: &str = "BUTLER_TEST_FLAW";

/// Places at which a recovery may die.
const RECOVERY_STEPS: [&str; 6] = [
    "recovery renewed",
    "recovery claimed",
    "recovery worked",
    "artifact deleted",
    "entry goes",
    "entry gone",
];

/// Slots beside those of the steps, in which a child is killed at any time.
const ANYWHERE: usize = 2;

/// A run of the harness.
struct Trial {
    place: Place,
    seed: u64,
    flaw: Option<&'static str>,
}

impl Trial {
    async fn new(template: &Template, seed: u64, flaw: Option<&'static str>) -> Self {
        Self { place: template.place().await, seed, flaw }
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    /// Starts this program again, as a child that works or recovers.
    fn start(&self, test: &str, step: &str, count: u64) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture"]);
        command.env(PLACE, self.path()).env(SEED, self.seed.to_string());
        command.env("BUTLER_FAILPOINT", format!("{step}:{count}"));
        command.env("BUTLER_FAILPOINT_LOG", self.path().join("step"));
        // The system outlives the process: what it was told need not be on the disk.
        command.env("BUTLER__REGISTRY__DURABILITY", "fast").env("RUST_BACKTRACE", "0");
        if let Some(flaw) = self.flaw {
            command.env(FLAW, flaw);
        }
        command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.path().join("errors")).unwrap())
            .spawn()
            .unwrap()
    }

    /// The place that the child passed last.
    fn last_step(&self) -> String {
        let step = std::fs::read_to_string(self.path().join("step")).unwrap_or_default();
        if step.trim().is_empty() { "before all".to_owned() } else { step.trim().to_owned() }
    }

    /// Lets a child work, and kills it; tells where, or why it failed by itself.
    fn kill(&self, random: &mut fastrand::Rng, kind: Kind, number: usize) -> Result<Option<String>, String> {
        let steps = kind.steps();
        let step = steps.get(number % (steps.len() + ANYWHERE)).copied();
        // Few files are linked, and few moved, before a child has done all its work.
        let often = if matches!(step, Some("artifact linked" | "source goes")) { 5 } else { 15 };
        let mut child = self.start("crash::child::works", step.unwrap_or("nowhere"), random.u64(1..often));
        if step.is_none() {
            self.wait_for_work(&mut child);
            std::thread::sleep(Duration::from_micros(random.u64(0..500_000)));
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        if status.code() == Some(101) {
            return Err(std::fs::read_to_string(self.path().join("errors")).unwrap());
        }
        // One that did not pass that place often enough has done all its work.
        Ok((!status.success()).then(|| self.last_step()))
    }

    /// Kills a recovery; tells where, if it did not come to its end before.
    fn kill_recovery(&self, random: &mut fastrand::Rng) -> Option<String> {
        let step = RECOVERY_STEPS[random.usize(..RECOVERY_STEPS.len())];
        // There are few entries, and some of them come to their end only at a second look.
        let often = if step == "artifact deleted" { random.u64(1..3) } else { 1 };
        let _ = std::fs::remove_file(self.path().join("step"));
        let status = self.start("crash::child::recovers", step, often).wait().unwrap();
        (!status.success()).then(|| format!("recovery: {}", self.last_step()))
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
        std::fs::read_to_string(self.path().join("journal")).unwrap_or_default()
    }

    /// What is wrong after a recovery.
    async fn examine(&self) -> Result<(), String> {
        self.place.let_go().await;
        let butler = open(&self.place.repository()).await;
        for _ in 0..3 {
            butler.recover(&at_once()).await.map_err(|error| format!("recovery: {error:#}"))?;
        }
        let mut contents = self.place.contents().await;
        contents.retain(|path| path.contains(".butler/"));
        if !contents.is_empty() {
            return Err(format!("this is left of the journal: {contents:?}"));
        }
        let options = VerifyOptions { checksum: true, orphans: true, ..VerifyOptions::default() };
        let report = butler.verify(&options).await.map_err(|error| format!("verification: {error:#}"))?;
        if !report.is_sound() {
            return Err(format!("{report:#?}"));
        }
        Model::read(&self.journal()).compare(&butler, self.path()).await
    }
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What became of all trials.
#[derive(Default)]
struct Tally {
    kills: BTreeMap<String, u64>,
    finished: u64,
    acknowledged: u64,
    interrupted: u64,
}

impl Tally {
    fn note(&mut self, killed: Option<String>) {
        match killed {
            Some(step) => *self.kills.entry(step).or_default() += 1,
            None => self.finished += 1,
        }
    }
}

async fn kill_again_and_again(kind: Kind, usual: u64) {
    let (runs, first) = (number_of("BUTLER_CRASH_RUNS", usual), number_of("BUTLER_CRASH_SEED", 1));
    let Some(template) = Template::new(kind).await else { return };
    let mut tally = Tally::default();
    for seed in first..first + runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let trial = Trial::new(&template, seed, None).await;
        let killed = trial.kill(&mut random, kind, seed as usize);
        tally.note(
            killed.unwrap_or_else(|errors| panic!("seed {seed}: the child failed by itself: {errors}")),
        );
        trial.place.let_go().await;
        // Most recoveries are killed too.
        if !seed.is_multiple_of(3)
            && let Some(step) = trial.kill_recovery(&mut random)
        {
            tally.note(Some(step));
        }
        let model = Model::read(&trial.journal());
        tally.acknowledged += model.acknowledged;
        tally.interrupted += u64::from(model.is_open());
        if let Err(wrong) = trial.examine().await {
            let (step, files) = (trial.last_step(), trial.place.contents().await);
            let place = trial.place.keep();
            panic!("{kind:?}, seed {seed}, last at '{step}', in {}: {wrong}\n{files:#?}", place.display());
        }
    }
    let Tally { kills, finished, acknowledged, interrupted } = tally;
    let told: Vec<String> = kills.iter().map(|(step, count)| format!("{count:5}  {step}")).collect();
    report(&format!(
        "{kind:?}: {runs} runs from seed {first}: {acknowledged} operations acknowledged, {interrupted} \
         interrupted, {finished} children finished\n{}",
        told.join("\n")
    ));
    assert!(acknowledged > 0 && interrupted > 0, "the children did not get to work");
    assert!(kills.len() > 5, "the children died at few places: {kills:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_sqlite_and_files() {
    kill_again_and_again(Kind::Files, 36).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_a_chain() {
    kill_again_and_again(Kind::Chain, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_postgres_and_s3() {
    kill_again_and_again(Kind::Objects, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_postgres_and_a_mixed_chain() {
    kill_again_and_again(Kind::MixedChain, 8).await;
}

#[expect(clippy::print_stderr, reason = "the histogram is what a big run is for")]
fn report(text: &str) {
    eprintln!("{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_breaks_the_protocol_is_found_out() {
    let template = Template::new(Kind::Files).await.unwrap();
    for flaw in saboteur::FLAWS {
        let mut found = None;
        for seed in 1..=60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let trial = Trial::new(&template, seed, Some(flaw)).await;
            let killed = trial.kill(&mut random, Kind::Files, seed as usize);
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
