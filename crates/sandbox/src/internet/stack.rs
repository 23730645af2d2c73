//! The loop: one thread reads the device, answers, and writes the device. Nothing else of the sample's network exists.
//!
//! TCP is `smoltcp`'s, one socket (and one socket set: a packet is looked up in a map, not tried against all) for each connection. UDP and
//! ICMP are answered packet by packet. Packets of a flood are counted and go no further.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::AsFd as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::Receiver,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::eventfd::EventFd,
};
use smoltcp::{
    iface::{Config, Interface, SocketSet},
    socket::tcp::{Socket, SocketBuffer},
    time::{Duration, Instant},
    wire::{HardwareAddress, IpAddress, IpCidr},
};

use super::{
    Command, NetworkCounts, Protocol,
    connection::Connection,
    conversation::Conversation,
    device::{Address, Statistics},
    flood::Shape,
    flows::Flow,
    hosts::Answer,
    packet::{self, Packet, Transport},
    pcapng::{Capture, Direction},
    service::Service,
    services::poke,
    sweep::Sweep,
    udp,
    wire::Wire,
    world::World,
};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 1_024;
/// Conversations over UDP, ICMP and others at a time.
const DATAGRAM_FLOWS_MAX: usize = 2_048;
/// Dials that were not answered and are remembered, so that trying again is not another conversation.
const ATTEMPTS_MAX: usize = 4_096;
const RECEIVE_BYTES: usize = 32 << 10;
const SEND_BYTES: usize = 64 << 10;
/// Packets read before time is looked at again.
const BATCH_PACKETS: usize = 256;
/// Packets read after the end was asked for: what the sample sent just before.
const DRAIN_PACKETS: usize = 100_000;
const TICK_BUSY_MS: u16 = 10;
const TICK_IDLE_MS: u16 = 250;

/// The sample's end and the other end.
type Ends = (SocketAddr, SocketAddr);

pub(super) struct Stack {
    tun: File,
    interface: Interface,
    wire: Wire,
    nobody: SocketSet<'static>,
    address: Address,
    world: World,
    capture: Option<Capture>,
    connections: HashMap<Ends, Connection>,
    datagrams: HashMap<(SocketAddr, u8), Flow>,
    attempts: HashMap<Ends, u32>,
    tcp_sweep: Sweep,
    udp_sweep: Sweep,
    packets_out: u64,
    packets_in: u64,
    pokes: u16,
    panics: u64,
}

impl Stack {
    pub(super) fn new(tun: File, address: Address, world: World, capture: Option<Capture>) -> Self {
        let mut wire = Wire::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = world.seed;
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.set_any_ip(true);
        // Any address is ours: the first of each family, and a route over it, make it so.
        interface.update_ip_addrs(|addresses| {
            let own = [IpCidr::new(IpAddress::from(IpAddr::V4(address.gateway)), 0), IpCidr::new(GATEWAY6, 0)];
            addresses.extend(own);
        });
        let _routed = interface.routes_mut().add_default_ipv4_route(address.gateway);
        if let IpAddress::Ipv6(gateway) = GATEWAY6 {
            let _routed = interface.routes_mut().add_default_ipv6_route(gateway);
        }
        Self {
            tun,
            interface,
            wire,
            nobody: SocketSet::new(Vec::new()),
            address,
            world,
            capture,
            connections: HashMap::new(),
            datagrams: HashMap::new(),
            attempts: HashMap::new(),
            tcp_sweep: Sweep::new("tcp"),
            udp_sweep: Sweep::new("udp"),
            packets_out: 0,
            packets_in: 0,
            pokes: 0,
            panics: 0,
        }
    }

    /// Serves until it is told to stop.
    pub(super) fn run(
        mut self,
        commands: &Receiver<Command>,
        wake: &EventFd,
        statistics: Option<&Statistics>,
    ) -> NetworkCounts {
        let mut buffer = vec![0; 1 << 16];
        let mut next_tick_ms = 0;
        'run: loop {
            let patience = self.patience_ms();
            {
                let mut watched =
                    [PollFd::new(self.tun.as_fd(), PollFlags::POLLIN), PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
                // An interrupted wait is one more round.
                let _ready = poll(&mut watched, PollTimeout::from(patience));
            }
            self.read(&mut buffer, BATCH_PACKETS);
            let _woken = wake.read();
            for command in commands.try_iter() {
                match command {
                    Command::Stop => break 'run,
                    Command::Poke(port, protocol) => self.poke(port, protocol),
                }
            }
            let now_ms = self.world.now_ms();
            if now_ms >= next_tick_ms {
                next_tick_ms = now_ms + u64::from(TICK_BUSY_MS);
                self.guarded(|stack| stack.tick(now_ms));
            }
        }
        self.read(&mut buffer, DRAIN_PACKETS);
        self.finish(statistics)
    }

    /// How long nothing needs to be done if no packet comes.
    fn patience_ms(&self) -> u16 {
        let now_ms = self.world.now_ms();
        let due = self.connections.values().map(|connection| connection.due_ms.saturating_sub(now_ms)).min();
        due.and_then(|due| u16::try_from(due).ok()).unwrap_or(TICK_IDLE_MS).clamp(TICK_BUSY_MS, TICK_IDLE_MS)
    }

    /// A mistake of ours, or of the TCP stack, that a sample found costs the conversations that are open, and not the rest of the run.
    fn guarded(&mut self, act: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            self.panics += 1;
            self.connections.clear();
            self.wire = Wire::default();
        }
    }

    fn read(&mut self, buffer: &mut [u8], packets_max: usize) {
        for _ in 0..packets_max {
            // Would block, or the device is gone: the end comes by command.
            let Ok(length @ 1..) = self.tun.read(buffer) else { return };
            let Some(bytes) = buffer.get(..length) else { return };
            self.guarded(|stack| stack.packet(bytes));
        }
    }

    /// One packet of the sample.
    fn packet(&mut self, bytes: &[u8]) {
        let Some(packet) = packet::read(bytes) else {
            self.packets_out += 1;
            return;
        };
        if kernels_own(&packet) {
            return;
        }
        self.packets_out += 1;
        let forged = (!self.own(packet.source)).then_some(packet.source);
        let folded = match packet.transport {
            Transport::Tcp { source_port, destination_port, syn, ack, reset } => {
                let ends = (
                    SocketAddr::new(packet.source, source_port),
                    SocketAddr::new(packet.destination, destination_port),
                );
                if let Some(connection) = self.connections.get_mut(&ends) {
                    connection.flow.packets_out += 1;
                    self.capture(Direction::Out, bytes);
                    self.feed(ends, Some(bytes));
                    return;
                }
                self.stranger(ends, bytes, forged, syn && !ack, reset)
            }
            Transport::Udp { source_port, destination_port, payload } => {
                let ends = (
                    SocketAddr::new(packet.source, source_port),
                    SocketAddr::new(packet.destination, destination_port),
                );
                self.datagram(ends, payload, bytes.len(), forged)
            }
            Transport::Icmp { kind, rest } => self.message(&packet, kind, rest, bytes.len(), forged),
            Transport::Other(_) => self.other(&packet, bytes.len(), forged),
        };
        if !folded {
            self.capture(Direction::Out, bytes);
        }
    }

    /// TCP that belongs to no connection; says whether it is one of a flood.
    fn stranger(&mut self, ends: Ends, bytes: &[u8], forged: Option<IpAddr>, dials: bool, reset: bool) -> bool {
        let now_ms = self.world.now_ms();
        let (local, remote) = ends;
        if reset {
            return false;
        }
        let shape = if dials { Shape::Syn } else { Shape::Ack };
        let folded = self.world.floods.packet(shape, remote, bytes.len(), forged, now_ms);
        let unicast = unicast(local.ip()) && unicast(remote.ip()) && local.port() != 0 && remote.port() != 0;
        if folded || forged.is_some() || !unicast {
            return folded;
        }
        if !dials {
            self.refuse(bytes);
            return false;
        }
        let named = self.world.names.name_of(remote.ip()).is_some();
        if !named && !super::hosts::metadata(remote.ip()) {
            self.tcp_sweep.dial(remote, now_ms);
        }
        let mut answer = self.world.hosts.dial(remote, named);
        if answer == Answer::Open && self.connections.len() >= CONNECTIONS_MAX {
            answer = Answer::Silent;
        }
        let again = self.attempted(ends);
        if answer == Answer::Open {
            let flow = Flow::start(&mut self.world, "tcp", local.port(), remote, true);
            self.listen(ends, flow, now_ms);
            self.feed(ends, Some(bytes));
        } else {
            if !again && !self.tcp_sweep.is_one() {
                Flow::start(&mut self.world, "tcp", local.port(), remote, false);
            }
            if answer == Answer::Refused {
                self.refuse(bytes);
            }
        }
        false
    }

    /// Whether the same dial was seen before.
    fn attempted(&mut self, ends: Ends) -> bool {
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.attempts.clear();
        }
        let count = self.attempts.entry(ends).or_default();
        *count += 1;
        *count > 1
    }

    fn listen(&mut self, ends: Ends, flow: Flow, now_ms: u64) {
        let mut socket = self.socket(ends.1.ip());
        if socket.listen(ends.1).is_err() {
            return;
        }
        self.add(ends, socket, flow, Conversation::new(now_ms), now_ms);
    }

    fn socket(&self, host: IpAddr) -> Socket<'static> {
        let mut socket = Socket::new(SocketBuffer::new(vec![0; RECEIVE_BYTES]), SocketBuffer::new(vec![0; SEND_BYTES]));
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(Duration::from_secs(60)));
        socket.set_hop_limit(Some(self.world.hosts.hops(host)));
        socket
    }

    fn add(&mut self, ends: Ends, socket: Socket<'static>, flow: Flow, conversation: Conversation, now_ms: u64) {
        let connection = Connection::new(socket, flow, conversation, now_ms);
        self.connections.insert(ends, connection);
    }

    /// A reset, for what no connection takes.
    fn refuse(&mut self, bytes: &[u8]) {
        self.wire.received = Some(bytes.to_vec());
        let now = instant(&self.world);
        self.interface.poll(now, &mut self.wire, &mut self.nobody);
        self.send();
    }

    /// Gives a packet (or only time) to a connection, and lets its two ends talk.
    fn feed(&mut self, ends: Ends, bytes: Option<&[u8]>) {
        let Some(connection) = self.connections.get_mut(&ends) else { return };
        self.wire.received = bytes.map(<[u8]>::to_vec);
        let now = instant(&self.world);
        self.interface.poll(now, &mut self.wire, &mut connection.sockets);
        self.wire.received = None;
        let over = connection.serve(&mut self.world);
        let now = instant(&self.world);
        self.interface.poll(now, &mut self.wire, &mut connection.sockets);
        let wait = self.interface.poll_delay(now, &connection.sockets).map_or(1_000, |delay| delay.total_millis());
        connection.due_ms = self.world.now_ms() + wait.clamp(1, connection.conversation.patience_ms());
        self.send();
        if over && let Some(connection) = self.connections.remove(&ends) {
            connection.end(&mut self.world);
        }
    }

    /// Writes what was made to the device.
    fn send(&mut self) {
        for packet in std::mem::take(&mut self.wire.sent) {
            self.write(&packet);
        }
    }

    fn write(&mut self, packet: &[u8]) {
        if packet.is_empty() {
            return;
        }
        self.packets_in += 1;
        self.capture(Direction::In, packet);
        // A device that is gone, or down: the sample sees a packet lost.
        let _written = self.tun.write(packet);
    }

    fn capture(&mut self, direction: Direction, bytes: &[u8]) {
        if let Some(capture) = &mut self.capture {
            capture.packet(direction, self.world.date_ns(), bytes);
        }
    }

    fn datagram(&mut self, ends: Ends, payload: &[u8], bytes: usize, forged: Option<IpAddr>) -> bool {
        let now_ms = self.world.now_ms();
        let (local, remote) = ends;
        let folded = remote.port() != 53 && self.world.floods.packet(Shape::Udp, remote, bytes, forged, now_ms);
        if folded || forged.is_some() || remote.port() == 0 {
            return folded;
        }
        let named = self.world.names.name_of(remote.ip()).is_some();
        if !named && remote.port() != 53 && unicast(remote.ip()) {
            self.udp_sweep.dial(remote, now_ms);
            self.world.hosts.spoken_to(remote);
        }
        // One conversation for a service, whatever port it is asked from.
        let key = (remote, packet::UDP);
        if !self.datagrams.contains_key(&key) {
            if self.datagrams.len() >= DATAGRAM_FLOWS_MAX || self.udp_sweep.is_one() && !named {
                return false;
            }
            let flow = Flow::start(&mut self.world, "udp", local.port(), remote, udp::answers(remote.port()));
            self.datagrams.insert(key, flow);
        }
        let Some(flow) = self.datagrams.get_mut(&key) else { return false };
        flow.answered(&self.world);
        flow.packets_out += 1;
        flow.bytes_out += payload.len() as u64;
        if let Some(answer) = udp::answer(payload, flow, &mut self.world) {
            flow.bytes_in += answer.len() as u64;
            let hops = self.world.hosts.hops(remote.ip());
            let packet = packet::udp(remote, local, &answer, hops);
            self.write(&packet);
        }
        false
    }

    fn message(&mut self, packet: &Packet<'_>, kind: u8, rest: &[u8], bytes: usize, forged: Option<IpAddr>) -> bool {
        let now_ms = self.world.now_ms();
        let target = SocketAddr::new(packet.destination, 0);
        let folded = self.world.floods.packet(Shape::Icmp, target, bytes, forged, now_ms);
        if folded || forged.is_some() {
            return folded;
        }
        let named = self.world.names.name_of(target.ip()).is_some();
        // The kernel's own "nobody listens here".
        if kind == if packet.source.is_ipv4() { 3 } else { 1 } {
            return false;
        }
        let echo = kind == if packet.source.is_ipv4() { 8 } else { 128 };
        let answers = echo && self.world.hosts.echoes(target.ip(), named);
        self.talk_without_ports(packet.protocol, "icmp", target, rest, answers);
        if answers {
            let reply = if packet.source.is_ipv4() { 0 } else { 129 };
            let hops = self.world.hosts.hops(target.ip());
            let answer = packet::icmp(packet.destination, packet.source, reply, rest, hops);
            self.write(&answer);
        }
        false
    }

    fn other(&mut self, packet: &Packet<'_>, bytes: usize, forged: Option<IpAddr>) -> bool {
        let now_ms = self.world.now_ms();
        let target = SocketAddr::new(packet.destination, 0);
        let folded = self.world.floods.packet(Shape::Raw, target, bytes, forged, now_ms);
        if !folded
            && forged.is_none()
            && let Transport::Other(body) = packet.transport
        {
            let name = match packet.protocol {
                packet::TCP => "tcp",
                packet::UDP => "udp",
                2 => "igmp",
                4 => "ipip",
                41 => "ipv6",
                47 => "gre",
                50 => "esp",
                132 => "sctp",
                _ => "other",
            };
            self.talk_without_ports(packet.protocol, name, target, body, false);
        }
        folded
    }

    fn talk_without_ports(
        &mut self,
        protocol: u8,
        name: &'static str,
        target: SocketAddr,
        body: &[u8],
        accepted: bool,
    ) {
        let key = (target, protocol);
        if !self.datagrams.contains_key(&key) {
            if self.datagrams.len() >= DATAGRAM_FLOWS_MAX {
                return;
            }
            let mut flow = Flow::start(&mut self.world, name, 0, target, accepted);
            flow.service = name;
            self.datagrams.insert(key, flow);
        }
        if let Some(flow) = self.datagrams.get_mut(&key) {
            flow.packets_out += 1;
            flow.bytes_out += body.len() as u64;
            flow.bytes_in += if accepted { body.len() as u64 } else { 0 };
            flow.sent(&self.world, body);
        }
    }

    fn tick(&mut self, now_ms: u64) {
        let due: Vec<Ends> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.due_ms <= now_ms)
            .map(|(ends, _)| *ends)
            .collect();
        for ends in due {
            self.feed(ends, None);
        }
        self.world.tell_floods(false);
        for sweep in [&mut self.tcp_sweep, &mut self.udp_sweep] {
            if let Some(told) = sweep.over(now_ms, false) {
                self.world.event(told);
            }
        }
    }

    /// Calls on a port of the sample, as somebody from outside would.
    fn poke(&mut self, port: u16, protocol: Protocol) {
        let now_ms = self.world.now_ms();
        for number in 0..poke::probes(protocol) {
            self.pokes = self.pokes.wrapping_add(1);
            let caller = poke::caller(&self.world, self.pokes);
            let local = SocketAddr::new(self.address.v4.into(), port);
            self.world.event(poke::told(port, protocol, number));
            match protocol {
                Protocol::Udp => {
                    let flow = Flow::call(&mut self.world, "udp", port, caller);
                    self.datagrams.insert((caller, packet::UDP), flow);
                    let hops = self.world.hosts.hops(caller.ip());
                    let packet = packet::udp(caller, local, poke::datagram(number), hops);
                    self.write(&packet);
                }
                Protocol::Tcp => {
                    if self.connections.len() >= CONNECTIONS_MAX {
                        return;
                    }
                    let mut socket = self.socket(caller.ip());
                    if socket.connect(self.interface.context(), local, caller).is_err() {
                        continue;
                    }
                    let flow = Flow::call(&mut self.world, "tcp", port, caller);
                    let probe: Box<dyn Service> = poke::probe(number);
                    let ends = (local, caller);
                    self.add(ends, socket, flow, Conversation::with(probe, now_ms), now_ms);
                    self.feed(ends, None);
                }
            }
        }
    }

    fn own(&self, source: IpAddr) -> bool {
        match source {
            IpAddr::V4(v4) => v4 == self.address.v4,
            IpAddr::V6(v6) => v6 == self.address.v6 || v6.is_unicast_link_local(),
        }
    }

    /// Takes packets from memory and ends; says how many it wrote.
    pub(super) fn swallow(mut self, mut packets: &[u8]) -> u64 {
        while let Some((length, rest)) = packets.split_first_chunk() {
            let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
            self.packet(packet);
            packets = rest;
        }
        let now_ms = self.world.now_ms();
        self.tick(now_ms);
        self.finish(None).packets_in
    }

    fn finish(mut self, statistics: Option<&Statistics>) -> NetworkCounts {
        let now_ms = self.world.now_ms();
        for (_, connection) in std::mem::take(&mut self.connections) {
            connection.end(&mut self.world);
        }
        for (_, flow) in std::mem::take(&mut self.datagrams) {
            flow.end(&mut self.world);
        }
        self.world.tell_floods(true);
        for sweep in [&mut self.tcp_sweep, &mut self.udp_sweep] {
            if let Some(told) = sweep.over(now_ms, true) {
                self.world.event(told);
            }
        }
        if let Some(capture) = &mut self.capture {
            capture.finish();
        }
        NetworkCounts {
            packets_out: self.packets_out,
            packets_in: self.packets_in,
            packets_lost: statistics.and_then(Statistics::lost).unwrap_or(0),
            downloads: self.world.into_downloads(),
            problem: (self.panics > 0)
                .then(|| format!("the simulated internet failed {} times and went on", self.panics)),
        }
    }
}

const GATEWAY6: IpAddress = IpAddress::v6(0xfd00, 0x17, 0, 0, 0, 0, 0, 1);

fn instant(world: &World) -> Instant {
    Instant::from_micros(i64::try_from(world.now_us()).unwrap_or(i64::MAX))
}

/// What the kernel says by itself on a new device: neighbours, groups and routers of IPv6.
fn kernels_own(packet: &Packet<'_>) -> bool {
    match packet.transport {
        Transport::Icmp { kind, .. } => packet.protocol == packet::ICMP6 && matches!(kind, 130..=137 | 143),
        // Hop-by-hop options before the report of a group.
        Transport::Other(body) => packet.protocol == 0 && body.first() == Some(&packet::ICMP6),
        _ => false,
    }
}

fn unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast() && !v4.is_unspecified() && !v4.is_loopback(),
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified() && !v6.is_loopback(),
    }
}
