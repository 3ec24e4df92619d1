//! Sockets, pipes and files that get lines of JSON.
//!
//! Nothing here waits: what is not taken at once stays in a buffer, and is offered again
//! before the next line.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use butler_core::{Error, ErrorKind, Result, Retry};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::StreamEvent;

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A Unix socket that somebody listens on, or a directory of such.
    Socket,
    /// A named pipe.
    Pipe,
    /// A file, to which is appended.
    File,
}

/// Somewhere that lines go.
#[derive(Debug)]
pub(super) struct Target {
    kind: Kind,
    path: PathBuf,
    /// Bytes that may wait for each receiver.
    capacity: usize,
    /// Those that can be reached, by path.
    receivers: BTreeMap<PathBuf, Receiver>,
}

#[derive(Debug)]
struct Receiver {
    fd: OwnedFd,
    is_socket: bool,
    /// What was not taken yet: it begins in the middle of a line, perhaps.
    waiting: Vec<u8>,
    missed: u64,
}

impl Target {
    pub(super) fn new(kind: Kind, path: PathBuf, capacity: usize) -> Self {
        Self { kind, path, capacity, receivers: BTreeMap::new() }
    }

    /// Offers an event to all receivers.
    pub(super) fn publish(&mut self, event: &StreamEvent) {
        self.connect();
        let capacity = self.capacity;
        self.receivers.retain(|path, receiver| match receiver.offer(event, capacity) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a subscriber is gone");
                false
            }
        });
    }

    /// Whether somebody is there, and has taken all that there was.
    ///
    /// # Errors
    /// `Connection` if nobody is, `Busy` if somebody is slow.
    pub(super) fn ready(&mut self) -> Result<()> {
        self.connect();
        self.receivers.retain(|_, receiver| receiver.flush().is_ok());
        let problem = |kind, what: &str| {
            Err(Error::new(kind, format!("'{}' {what}", self.path.display())).with_retry(Retry::Temporary))
        };
        if self.receivers.is_empty() {
            return problem(ErrorKind::Connection, "has nobody who listens");
        }
        match self.receivers.values().all(|receiver| receiver.waiting.is_empty()) {
            true => Ok(()),
            false => problem(ErrorKind::Busy, "does not take what was sent"),
        }
    }

    /// Finds who has come.
    fn connect(&mut self) {
        let paths = match self.kind {
            Kind::Socket if self.path.is_dir() => sockets(&self.path),
            _ => vec![self.path.clone()],
        };
        for path in paths {
            if self.receivers.contains_key(&path) {
                continue;
            }
            match open(self.kind, &path) {
                Ok(fd) => {
                    let is_socket = self.kind == Kind::Socket;
                    let receiver = Receiver { fd, is_socket, waiting: Vec::new(), missed: 0 };
                    self.receivers.insert(path, receiver);
                }
                Err(error) => tracing::trace!(path = %path.display(), %error, "nobody listens"),
            }
        }
    }
}

/// Sockets in a directory.
fn sockets(directory: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::FileTypeExt;
    let items = std::fs::read_dir(directory).into_iter().flatten().flatten();
    items.filter(|item| item.file_type().is_ok_and(|kind| kind.is_socket())).map(|item| item.path()).collect()
}

fn open(kind: Kind, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match kind {
        Kind::Socket => {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
            Ok(socket)
        }
        Kind::Pipe => {
            let pipe = rustix::fs::open(path, flags, Mode::empty())?;
            match rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&pipe)?.st_mode) {
                rustix::fs::FileType::Fifo => Ok(pipe),
                _ => Err(io::Error::other("it is no pipe")),
            }
        }
        Kind::File => {
            let flags = flags | OFlags::CREATE | OFlags::APPEND;
            Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?)
        }
    }
}

impl Receiver {
    fn offer(&mut self, event: &StreamEvent, capacity: usize) -> io::Result<()> {
        self.flush()?;
        let line = serde_json::to_vec(&StreamEvent { missed: self.missed, ..event.clone() });
        let mut line = line.map_err(io::Error::other)?;
        line.push(b'\n');
        // Who takes nothing at all at least gets one.
        if !self.waiting.is_empty() && self.waiting.len() + line.len() > capacity {
            self.missed += 1;
            return Ok(());
        }
        self.missed = 0;
        self.waiting.extend_from_slice(&line);
        self.flush()
    }

    /// Gives as much as is taken.
    fn flush(&mut self) -> io::Result<()> {
        let mut taken = 0;
        let result = loop {
            let rest = &self.waiting[taken..];
            if rest.is_empty() {
                break Ok(());
            }
            let sent = match self.is_socket {
                true => rustix::net::send(&self.fd, rest, SendFlags::NOSIGNAL),
                false => rustix::io::write(&self.fd, rest),
            };
            match sent {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => taken += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        self.waiting.drain(..taken);
        result
    }
}
