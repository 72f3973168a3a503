//! Tasks on their way to a thread, and what came of them on its way back, both in order.
//!
//! To wake a thread for every frame of sound takes about as long as to encode it. So nobody is woken who does not wait, and who
//! waits for results is woken when half of the room is free again.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Two ends of a queue that holds `room` tasks and results.
pub fn queue<T, R>(room: usize) -> (Front<T, R>, Back<T, R>) {
    let state = State { tasks: VecDeque::new(), results: VecDeque::new(), idle: false, wanted: 0, closed: false, gone: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), task: Condvar::new(), result: Condvar::new() });
    (Front { shared: Arc::clone(&shared), room, under_way: 0, ready: VecDeque::new() }, Back(shared))
}

/// The end of whoever gives tasks.
pub struct Front<T, R> {
    shared: Arc<Shared<T, R>>,
    room: usize,
    /// Tasks whose results have not been taken.
    under_way: usize,
    /// Results that are here already.
    ready: VecDeque<R>,
}

/// The end of the thread that works.
pub struct Back<T, R>(Arc<Shared<T, R>>);

/// What [`Front::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<R> {
    /// The result of the earliest task.
    Result(R),
    /// It is still under way.
    NotYet,
    /// The thread has ended, and with it the task.
    Gone,
}

struct Shared<T, R> {
    state: Mutex<State<T, R>>,
    task: Condvar,
    result: Condvar,
}

struct State<T, R> {
    tasks: VecDeque<T>,
    results: VecDeque<R>,
    /// The thread waits for a task.
    idle: bool,
    /// How many results are waited for; 0 = nobody waits.
    wanted: usize,
    /// There will be no more tasks.
    closed: bool,
    /// There will be no more results.
    gone: bool,
}

impl<T, R> Shared<T, R> {
    /// Nothing is left half done under the lock.
    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R> Front<T, R> {
    /// Is the room used up?
    pub fn is_full(&self) -> bool {
        self.under_way >= self.room
    }

    /// Gives the thread a task that a result will come of. Who respects [`is_full`](Self::is_full) bounds the queue.
    pub fn give(&mut self, task: T) {
        self.under_way += 1;
        self.tell(task);
    }

    /// Gives the thread a task that no result comes of.
    pub fn tell(&self, task: T) {
        let mut state = self.shared.lock();
        state.tasks.push_back(task);
        if std::mem::take(&mut state.idle) {
            self.shared.task.notify_one();
        }
    }

    /// Takes the result of the earliest task; `wait`: also if it is still to come.
    pub fn take(&mut self, wait: bool) -> Taken<R> {
        if self.ready.is_empty() {
            let mut state = self.shared.lock();
            if wait && state.results.is_empty() {
                state.wanted = self.under_way.min(self.room.div_ceil(2));
                while state.results.len() < state.wanted && !state.gone {
                    state = self.shared.result.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.wanted = 0;
            }
            std::mem::swap(&mut self.ready, &mut state.results);
            if self.ready.is_empty() {
                return if state.gone { Taken::Gone } else { Taken::NotYet };
            }
        }
        let Some(result) = self.ready.pop_front() else { return Taken::NotYet };
        self.under_way -= 1;
        Taken::Result(result)
    }
}

impl<T, R> Drop for Front<T, R> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.task.notify_one();
    }
}

impl<T, R> Back<T, R> {
    /// Waits for the next task; `None` when nobody gives any more.
    pub fn next(&self) -> Option<T> {
        let mut state = self.0.lock();
        while !state.closed {
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            state.idle = true;
            state = self.0.task.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Gives back what came of a task.
    pub fn answer(&self, result: R) {
        let mut state = self.0.lock();
        state.results.push_back(result);
        if state.wanted > 0 && state.results.len() >= state.wanted {
            self.0.result.notify_one();
        }
    }
}

impl<T, R> Drop for Back<T, R> {
    fn drop(&mut self) {
        self.0.lock().gone = true;
        self.0.result.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_tasks_and_the_room_is_bounded() {
        let (mut front, back) = queue::<u32, u32>(4);
        let thread = std::thread::spawn(move || {
            while let Some(task) = back.next() {
                back.answer(task * 2);
            }
        });
        let (mut given, mut taken) = (0, Vec::new());
        while taken.len() < 1000 {
            while !front.is_full() && given < 1000 {
                front.give(given);
                given += 1;
            }
            assert!(given as usize - taken.len() <= 4);
            match front.take(true) {
                Taken::Result(result) => taken.push(result),
                other => panic!("{other:?}"),
            }
        }
        assert!(taken.iter().copied().eq((0..1000).map(|task| task * 2)));
        assert_eq!(front.take(false), Taken::NotYet);
        drop(front);
        thread.join().expect("it ends when nobody gives tasks");
    }

    #[test]
    fn a_wait_is_over_when_there_is_less_to_come_than_half_of_the_room() {
        let (mut front, back) = queue::<(), ()>(64);
        let thread = std::thread::spawn(move || {
            while let Some(()) = back.next() {
                back.answer(());
            }
        });
        front.give(());
        assert_eq!(front.take(true), Taken::Result(()));
        drop(front);
        thread.join().expect("it has ended");
    }

    #[test]
    fn what_was_done_is_there_when_the_thread_is_gone() {
        let (mut front, back) = queue::<u8, u8>(8);
        (0..2).for_each(|task| front.give(task));
        let thread = std::thread::spawn(move || back.answer(back.next().expect("a task")));
        assert_eq!(front.take(true), Taken::Result(0));
        assert_eq!(front.take(true), Taken::Gone);
        thread.join().expect("it has ended");
    }
}
