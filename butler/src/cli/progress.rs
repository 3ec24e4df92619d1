//! Progress of long work, on standard error.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::Context;

/// Work that is done within this is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// A bar of bytes.
const MEASURED: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
/// A bar of things.
const COUNTED: &str = "{msg} {wide_bar} {pos}/{len} {eta}";

/// A bar on a terminal; elsewhere a line every few seconds.
#[derive(Debug)]
pub(crate) struct Bar {
    shown: bool,
    bar: ProgressBar,
    began: Instant,
    told: Mutex<Instant>,
}

impl Bar {
    /// Progress of something that begins now.
    pub(crate) fn new(context: &Context) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let now = Instant::now();
        Self { shown: context.shows_progress(), bar, began: now, told: Mutex::new(now) }
    }

    /// Shows how many of what are done.
    pub(crate) fn count(&self, what: &'static str, done: u64, all: Option<u64>) {
        let of = all.map_or_else(String::new, |all| format!(" of {all}"));
        self.tell(what, done, all.unwrap_or(0), COUNTED, || format!("{what}: {done}{of}"));
    }

    /// Shows how much of what is done, in bytes.
    pub(crate) fn show(&self, what: &'static str, done: u64, all: u64) {
        self.tell(what, done, all, MEASURED, || {
            format!("{what}: {} of {}", HumanBytes(done), HumanBytes(all))
        });
    }

    fn tell(&self, what: &'static str, done: u64, all: u64, style: &str, line: impl FnOnce() -> String) {
        if !self.shown || self.began.elapsed() < PATIENCE {
            return;
        }
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            if self.bar.is_hidden() {
                if let Ok(style) = ProgressStyle::with_template(style) {
                    self.bar.set_style(style);
                }
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            self.bar.set_length(all);
            self.bar.set_message(what);
            self.bar.set_position(done);
            return;
        }
        let Ok(mut told) = self.told.lock() else { return };
        if told.elapsed() >= BETWEEN_LINES {
            *told = Instant::now();
            tracing::warn!(target: "progress", "{}", line());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
