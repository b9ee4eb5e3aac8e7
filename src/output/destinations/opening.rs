//! Descriptors: opened, given up for others, registered with the event loop.

use super::Destinations;
use super::making::NO_SINKS;
use crate::output::budget::Permit;
use crate::output::open::{Cause, Open, Way};
use crate::output::sink::Owner;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use nix::errno::Errno;

impl Destinations {
    /// Opens what lies at the path of a sink now, in place of what is open.
    pub(super) fn open_path(&mut self, id: usize) -> Result<(), Cause> {
        let Some(path) = self.sinks[id].path.clone() else {
            return Err(Cause::NoDescriptor);
        };
        let before = self.sinks[id]
            .open
            .as_mut()
            .and_then(|open| open.permit.take());
        let permit = before
            .or_else(|| self.permit(id))
            .ok_or(Cause::NoDescriptor)?;
        let opened = match Open::path(&path) {
            // The process has no descriptor left although the budget had: close one that can do without.
            Err(Cause::Errno(Errno::EMFILE | Errno::ENFILE)) if self.make_room(id) => {
                Open::path(&path)
            }
            other => other,
        };
        let mut open = match opened {
            Ok(open) => open,
            Err(cause) => {
                // What is open stays so, with its permit.
                if let Some(old) = &mut self.sinks[id].open {
                    old.permit = Some(permit);
                }
                return Err(cause);
            }
        };
        open.permit = Some(permit);
        self.unregister(id);
        let sink = &mut self.sinks[id];
        if sink.opened(open, self.settings.lock) {
            self.tell_closed(id);
        }
        self.found(id);
        self.touch(id);
        self.register(id);
        Ok(())
    }

    /// A line that a program left open is closed by the next write.
    pub(super) fn tell_closed(&mut self, id: usize) {
        let label = &self.sinks[id].label;
        let text = format!("{label} ended inside a line; closed it with a newline");
        self.tell(false, text);
        self.queue(id);
    }

    /// A permit for one descriptor; the file that was not used for longest gives its own for it.
    fn permit(&mut self, id: usize) -> Option<Permit> {
        Permit::take(&self.budget).or_else(|| {
            self.make_room(id)
                .then(|| Permit::take(&self.budget))
                .flatten()
        })
    }

    /// Closes the template's file that was not used for longest and has nothing to write; it is opened again at need.
    fn make_room(&mut self, but: usize) -> bool {
        let idle = self
            .by_use
            .iter()
            .find(|&(_, &id)| id != but && self.sinks[id].can_make_room());
        let Some((&used, &id)) = idle else {
            return false;
        };
        self.by_use.remove(&used);
        let sink = &mut self.sinks[id];
        sink.used = 0;
        sink.open = None;
        true
    }

    /// Moves a template's file to the end of the order of use.
    pub(super) fn touch(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        if sink.owner == Owner::Fixed {
            return;
        }
        self.by_use.remove(&sink.used);
        self.uses += 1;
        sink.used = self.uses;
        self.by_use.insert(self.uses, id);
    }

    /// Registers what can hang, for an event when there is room. What cannot be registered is tried after a delay.
    pub(super) fn register(&mut self, id: usize) {
        let Some(sink) = self.sinks.get_mut(id) else {
            return;
        };
        let fd = sink
            .open
            .as_ref()
            .filter(|open| open.way != Way::Plain)
            .map(Open::raw);
        if fd == sink.registered {
            return;
        }
        self.unregister(id);
        if let Some(fd) = fd.filter(|_| id + NO_SINKS < self.tokens.count) {
            let token = Token(self.tokens.first + id);
            let done = self
                .registry
                .register(&mut SourceFd(&fd), token, Interest::WRITABLE);
            self.sinks[id].registered = done.is_ok().then_some(fd);
        }
    }

    pub(super) fn unregister(&mut self, id: usize) {
        if let Some(fd) = self.sinks[id].registered.take() {
            // It fails where the descriptor is closed already, which has ended the registration.
            let _ = self.registry.deregister(&mut SourceFd(&fd));
        }
    }
}
