//! Accepts connections, bounds them, and ends them.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use axum::{body::Body, http};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{Served, answer::Answer, asked::Asked};

/// A client that takes longer to send a request's head, or to begin the next one, is sent away.
const HEAD_TIME_MAX: Duration = Duration::from_secs(20);
/// Whoever reads slower than this allows for one connection comes again, with a range.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// How long requests under way are waited for at the end.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long nothing is accepted after the system refused a connection (no descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn run(
    served: Arc<Served>,
    listener: TcpListener,
    workers: usize,
    connections_max: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let runtime =
        Builder::new_multi_thread().worker_threads(workers.max(1)).max_blocking_threads(16).enable_all().build()?;
    listener.set_nonblocking(true)?;
    let done = runtime.block_on(accept(served, listener, connections_max.clamp(1, Semaphore::MAX_PERMITS), stop));
    runtime.shutdown_timeout(END_TIME_MAX);
    done
}

async fn accept(
    served: Arc<Served>,
    listener: TcpListener,
    connections_max: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(connections_max));
    let (end, ends) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, permit))
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (served, ends) = (served.clone(), ends.clone());
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION_TIME_MAX, converse(served, stream, ends)).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(listener);
    let _ = end.send(true);
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    let _ = timeout(END_TIME_MAX, room.acquire_many(all)).await;
    Ok(())
}

/// Answers what one client asks, until it goes or `ends` says so.
async fn converse(served: Arc<Served>, stream: TcpStream, mut ends: watch::Receiver<bool>) {
    let service = service_fn(move |request| respond(served.clone(), request));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let told_to_end = async move {
        let _ = ends.wait_for(|end| *end).await;
    };
    tokio::select! {
        _ = connection.as_mut() => {}
        () = told_to_end => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn respond(served: Arc<Served>, request: http::Request<Incoming>) -> Result<http::Response<Body>, io::Error> {
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let asked = Asked::new(request.method().as_str(), path, query, headers);
    let answered = served.clone();
    let answer = tokio::task::spawn_blocking(move || answered.answer(&asked)).await;
    let answer = answer.unwrap_or_else(|_| Answer::error(500, "this request cannot be answered"));
    served.metrics.count(&answer);
    Ok(answer.into_response())
}

/// Ready when the program is told to end: SIGTERM or SIGINT.
pub async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Then the signals keep their default: they end the program.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
