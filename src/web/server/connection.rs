//! One connection: it counts among those there may be, and its client has to take what it asked for.

use super::patience::Patience;
use axum_server::accept::Accept;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep_until};

/// Takes connections, a bounded number at a time.
#[derive(Clone)]
pub(super) struct Acceptor {
    /// One permit a connection.
    places: Arc<Semaphore>,
    patience: Duration,
}

/// A stream whose writes fail when its other side does not read on.
pub(super) struct Connection<S> {
    stream: S,
    patience: Patience,
    /// Wakes the writer when the patience is over.
    over: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Acceptor {
    pub(super) fn new(max_connections: usize, patience: Duration) -> Acceptor {
        Acceptor { places: Arc::new(Semaphore::new(max_connections)), patience }
    }

    fn take(&self, stream: TcpStream) -> io::Result<Connection<TcpStream>> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            // As far as it goes without waiting for the client. What it has sent is read, since closing over
            // unread bytes would take the answer back.
            stream.try_read(&mut [0; 4096]).ok();
            stream.try_write(TOO_MANY).ok();
            return Err(io::Error::other("there are server.max_connections already"));
        };
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream, self.patience, place))
    }
}

/// For whoever comes when there is no place.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\
      connection: close\r\n\r\n";

impl<T: Send + 'static> Accept<TcpStream, T> for Acceptor {
    type Stream = Connection<TcpStream>;
    type Service = T;
    type Future = BoxFuture<'static, io::Result<(Connection<TcpStream>, T)>>;

    fn accept(&self, stream: TcpStream, service: T) -> Self::Future {
        let acceptor = self.clone();
        async move { Ok((acceptor.take(stream)?, service)) }.boxed()
    }
}

impl<S> Connection<S> {
    fn new(stream: S, patience: Duration, place: OwnedSemaphorePermit) -> Connection<S> {
        Connection { stream, patience: Patience::new(patience), over: None, _place: place }
    }

    /// What becomes of a write: one that waits for the client fails when the patience is over.
    fn watch(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.over = None;
                self.patience.takes(bytes, Instant::now());
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                let end = self.patience.waits(Instant::now());
                let over = self.over.get_or_insert_with(|| Box::pin(sleep_until(end.into())));
                ready!(over.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// A connection whose other side has room for so many bytes that it has not read.
    fn connection(room: usize, patience: Duration) -> (Connection<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(room);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a place");
        (Connection::new(ours, patience, place), theirs)
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (mut connection, _theirs) = connection(16, Duration::from_millis(20));
        connection.write_all(&[1; 16]).await.expect("there is room");
        let error = connection.write_all(&[1]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_answer_that_is_read_goes_through() {
        let (mut connection, mut theirs) = connection(16, Duration::from_secs(60));
        let writing = async {
            connection.write_all(&[1; 100_000]).await.expect("it is read");
            drop(connection);
        };
        let mut read = Vec::new();
        let (_, count) = tokio::join!(writing, theirs.read_to_end(&mut read));
        assert_eq!(count.expect("reads"), 100_000);
    }
}
