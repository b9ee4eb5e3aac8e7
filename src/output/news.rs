//! What threads beside the data plane have to tell, and a bell that wakes it.

use super::destinations::Notice;
use mio::unix::pipe;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The end that tells.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    notices: Sender<Notice>,
    bell: Arc<pipe::Sender>,
}

impl Teller {
    /// Hands a notice over. A data plane that has ended hears nothing.
    pub(super) fn tell(&self, error: bool, text: String) {
        if self.notices.send(Notice { error, text }).is_ok() {
            // Where the pipe is full, it wakes anyway.
            let _ = (&*self.bell).write(&[0]);
        }
    }
}

/// The end that hears.
#[derive(Debug)]
pub(super) struct News {
    notices: Receiver<Notice>,
    bell: pipe::Receiver,
}

impl News {
    /// Both ends; the bell rings as `token`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<(Teller, Self)> {
        let (sender, mut bell) = pipe::new()?;
        registry.register(&mut bell, token, Interest::READABLE)?;
        let (send, notices) = channel();
        let teller = Teller {
            notices: send,
            bell: Arc::new(sender),
        };
        Ok((teller, Self { notices, bell }))
    }

    /// The bell has rung: lets it ring again.
    pub(super) fn heard(&mut self) {
        let mut rings = [0; 64];
        while self.bell.read(&mut rings).is_ok_and(|read| read > 0) {}
    }

    /// What was told since the last call.
    pub(super) fn take(&self) -> impl Iterator<Item = Notice> {
        self.notices.try_iter()
    }
}
