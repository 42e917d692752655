//! Listening sockets, and the options of accepted ones.
//!
//! The only place on this side that sets socket options.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use crate::upstream::socket_options;

/// How many connections the kernel keeps for a core that is busy.
const BACKLOG: i32 = 4096;

/// Listens on `address` once for each core; the kernel shares new connections out among them.
///
/// The first socket takes the address for itself alone and shares it only then, so that a second
/// gateway gets an error and never half of the connections. With port 0 all get the port of the first.
///
/// # Errors
/// The address is taken or is not one of this machine.
pub fn bind(address: SocketAddr, cores: usize) -> io::Result<Vec<TcpListener>> {
    let first = socket(address)?;
    first.bind(&address.into())?;
    first.listen(BACKLOG)?;
    let mut sockets = vec![TcpListener::from(first)];
    if cores > 1 {
        share(&mut sockets, cores)?;
    }
    Ok(sockets)
}

#[cfg(unix)]
fn share(sockets: &mut Vec<TcpListener>, cores: usize) -> io::Result<()> {
    let Some(first) = sockets.first() else {
        return Ok(());
    };
    let address = first.local_addr()?;
    socket2::SockRef::from(first).set_reuse_port(true)?;
    for _ in 1..cores {
        let next = socket(address)?;
        next.set_reuse_port(true)?;
        next.bind(&address.into())?;
        next.listen(BACKLOG)?;
        sockets.push(TcpListener::from(next));
    }
    Ok(())
}

#[cfg(not(unix))]
fn share(sockets: &mut Vec<TcpListener>, cores: usize) -> io::Result<()> {
    let Some(first) = sockets.first() else {
        return Ok(());
    };
    let copies = (1..cores)
        .map(|_| first.try_clone())
        .collect::<io::Result<Vec<_>>>()?;
    sockets.extend(copies);
    Ok(())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A port whose last connections are still being forgotten can be taken again at once.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sets the options of an accepted connection: no delay of small writes, and the detection of vanished
/// peers. Every accepted connection passes here.
///
/// # Errors
/// Those of the system calls.
pub fn accept_options(stream: &TcpStream) -> io::Result<()> {
    socket_options(stream)
}
