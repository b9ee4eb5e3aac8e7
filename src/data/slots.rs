//! The small stable numbers of processes. Pure.

use std::collections::BTreeSet;

/// Hands out the lowest free number; 0 is the main process's alone.
#[derive(Debug)]
pub(super) struct Slots {
    /// Numbers below `next` that are free.
    free: BTreeSet<u32>,
    /// All from here on are free.
    next: u32,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            free: BTreeSet::new(),
            next: 1,
        }
    }
}

impl Slots {
    /// The lowest free number from 1 on.
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Frees a number that was taken; 0 was not.
    pub(super) fn give(&mut self, slot: u32) {
        if slot != 0 {
            self.free.insert(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_workers_need_eight_numbers_however_often_they_are_replaced() {
        let mut slots = Slots::default();
        let mut live: Vec<u32> = (0..8).map(|_| slots.take()).collect();
        assert_eq!(live, [1, 2, 3, 4, 5, 6, 7, 8]);
        for round in 0..100 {
            slots.give(live.remove(round % 8));
            live.push(slots.take());
        }
        live.sort_unstable();
        assert_eq!(live, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn zero_is_never_handed_out() {
        let mut slots = Slots::default();
        slots.give(0);
        assert_eq!(slots.take(), 1);
    }
}
