//! Threads that may block, of the runtime that a program has.

use butler_core::work::{Workplace, lend};
use butler_core::{Error, ErrorKind, Result};
use futures::future::{BoxFuture, FutureExt};
use pollster::block_on;
use tokio::runtime::Handle;

/// The threads that a Tokio runtime has for what blocks.
#[derive(Debug)]
pub(crate) struct BlockingThreads;

impl Workplace for BlockingThreads {
    fn run(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, Result<()>> {
        let Ok(runtime) = Handle::try_current() else { return work.map(Ok).boxed() };
        // The thread knows the runtime, whose timers and sockets can be waited for in this way. So may a
        // formatter, by whatever executor it likes: this must be none that refuses to have others within.
        let running = runtime.spawn_blocking(move || lend(|| block_on(work)));
        let ended = async move {
            running.await.map_err(|error| match error.is_panic() {
                true => Error::new(ErrorKind::Unexpected, "a change panicked").with_source(error),
                false => Error::new(ErrorKind::Interrupted, "the runtime is shut down").with_source(error),
            })
        };
        ended.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use butler_core::work::may_block;
    use std::sync::mpsc::channel;

    #[test]
    fn work_may_block_where_it_is_done() {
        let (send, receive) = channel();
        let tell = send.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let work = async move { tell.send(may_block()).unwrap() };
        runtime.block_on(async { BlockingThreads.run(work.boxed()).await }).unwrap();
        assert!(receive.recv().unwrap());
        // Without a runtime it is done where it is.
        let work = async move { send.send(may_block()).unwrap() };
        block_on(BlockingThreads.run(work.boxed())).unwrap();
        assert!(!receive.recv().unwrap());
    }

    #[test]
    fn work_may_wait_in_its_own_way() {
        let (send, receive) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let work = async move {
            let pause = || tokio::time::sleep(std::time::Duration::from_millis(1));
            futures::executor::block_on(async { pause().await });
            Handle::current().block_on(async { pause().await });
            send.send(()).unwrap();
        };
        runtime.block_on(async { BlockingThreads.run(work.boxed()).await }).unwrap();
        receive.recv().unwrap();
    }

    #[test]
    fn work_that_panics_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let panics = async { panic!("on purpose") };
        let error = runtime.block_on(async { BlockingThreads.run(panics.boxed()).await }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }
}
