//! Listens for the doors: connections with ceilings, TLS whose certificate may change, and a watch on feed and policy.
//!
//! | module | what it does |
//! |---|---|
//! | [`tls`] | the certificate, read anew when its files change |
//! | [`watch`] | takes a new feed, policy or certificate while requests go on |

pub mod tls;
pub mod watch;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, watch as signal},
    task::JoinSet,
    time,
};
use tokio_rustls::TlsAcceptor;

use tls::Tls;

/// Most connections at once; others wait in the kernel.
const CONNECTIONS_MAX: usize = 512;
/// How long a client may take to shake hands, and to send the head of a request.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long open requests are waited for at the end.
const END_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Pause after the system refused a connection, for want of descriptors mostly.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// How much of the machine a server takes.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    /// Threads that answer.
    pub threads: usize,
    /// Threads that wait for registries and disks.
    pub waiting_max: usize,
}

impl Default for Workers {
    fn default() -> Self {
        Self { threads: 2, waiting_max: 32 }
    }
}

/// Makes the runtime that servers of this crate run on.
///
/// # Errors
///
/// If threads cannot be started.
pub fn runtime(workers: Workers) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.threads)
        .max_blocking_threads(workers.waiting_max)
        .enable_all()
        .build()
}

/// Serves `router` on `listener` until `stop` ends, then waits ten seconds at most for open requests. HTTP/1.1 alone.
///
/// # Errors
///
/// If the listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config()));
    let (ending, ended) = signal::channel(false);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        // Who is done is let go of, else they would be kept for ever.
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (stream, slot))
        };
        let (stream, slot) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection could not be taken: {error}");
                    time::sleep(REFUSED_PAUSE).await;
                    continue;
                }
            },
        };
        let (acceptor, router, ended) = (acceptor.clone(), router.clone(), ended.clone());
        connections.spawn(async move {
            connection(stream, acceptor, router, ended).await;
            drop(slot);
        });
    }
    let _ = ending.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if time::timeout(END_TIME_MAX, all).await.is_err() {
        tracing::warn!("{} connections were cut off", connections.len());
    }
    Ok(())
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router, ended: signal::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => requests(stream, router, ended).await,
        Some(acceptor) => match time::timeout(HEAD_TIME_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, router, ended).await,
            Ok(Err(error)) => tracing::debug!("a handshake failed: {error}"),
            Err(_) => tracing::debug!("a handshake took too long"),
        },
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut ended: signal::Receiver<bool>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let end = async { ended.wait_for(|ended| *ended).await.is_ok() };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("a connection ended early: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn open_requests_are_answered_before_the_end() {
        let runtime = runtime(Workers::default()).expect("a runtime");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let slow = axum::routing::get(|| async {
            time::sleep(Duration::from_millis(200)).await;
            "done"
        });
        let router = Router::new().route("/", slow);
        let server = runtime.spawn(serve(listener, None, router, async {
            let _ = stopped.await;
        }));
        #[expect(clippy::disallowed_methods, reason = "a client for the test")]
        let mut client = std::net::TcpStream::connect(address).expect("connected");
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
        std::thread::sleep(Duration::from_millis(50));
        stop.send(()).expect("stopped");
        let mut answer = String::new();
        #[expect(clippy::disallowed_methods, reason = "from our own server")]
        client.read_to_string(&mut answer).expect("read");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        runtime.block_on(server).expect("it ends").expect("well");
    }
}
