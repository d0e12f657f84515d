//! A gate in the middle of a model's work, for tests that want to know what happens meanwhile.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longer than a busy machine takes to bring something to the gate.
const LIMIT: Duration = Duration::from_secs(60);

/// Stops whatever comes until it is let through.
pub struct Gate {
    entered: Sender<usize>,
    go: Mutex<Receiver<()>>,
}

/// The other side of a [`Gate`]. Dropping it opens the gate for good.
pub struct Keeper {
    entered: Receiver<usize>,
    go: Sender<()>,
}

/// A gate that is shut.
pub fn gate() -> (Arc<Gate>, Keeper) {
    let (tell, entered) = channel();
    let (go, wait) = channel();
    (Arc::new(Gate { entered: tell, go: Mutex::new(wait) }), Keeper { entered, go })
}

impl Gate {
    /// Comes with so many photos and waits to be let through.
    pub fn pass(&self, photos: usize) {
        // Without a keeper it is open.
        self.entered.send(photos).ok();
        self.go.lock().expect("not poisoned").recv().ok();
    }
}

impl Keeper {
    /// Waits until something stands at the gate; gives how many photos it has.
    pub fn entered(&self) -> usize {
        self.entered.recv_timeout(LIMIT).expect("something comes")
    }

    /// The same for tests whose thread others need meanwhile.
    pub async fn until_entered(self) -> Keeper {
        let (tell, told) = oneshot::channel();
        // None of the runtime's own threads: there may be no other than the one that brings the photos.
        std::thread::spawn(move || {
            self.entered();
            tell.send(self).ok();
        });
        told.await.expect("something comes")
    }

    /// Lets one through.
    pub fn let_through(&self) {
        self.go.send(()).expect("the gate is there");
    }

    /// Opens the gate for good and gives what came that nobody asked about.
    pub fn open(self) -> Receiver<usize> {
        self.entered
    }
}
