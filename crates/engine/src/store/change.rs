//! What is written to a store: changes, and what becomes of a commit of them.

use super::row::{
    AccountRow, ConnectionRow, DataKeyRow, FaultRow, FlowRow, KeySlotRow, LeaseRow, Meta, OutboxRow, RecordRow,
    RecordsHeadRow,
};
use crate::time::Timestamp;

/// One part of a commit.
///
/// A row of `Replace…` carries the version after the one that was read, so the stored row must have `version - 1`.
/// `version` in `Delete…` and `Require…` is the one that was read.
#[derive(Debug, Clone)]
pub enum Change {
    /// Makes an empty store this one. Conflicts when it has a name already.
    Initialize(Meta),
    /// Adds a key slot. Conflicts when its key has one.
    InsertKeySlot(KeySlotRow),
    /// Deletes a key slot.
    DeleteKeySlot {
        /// The slot's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Conflicts unless the key slot still has this version: for decisions that rest on it.
    RequireKeySlot {
        /// The slot's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Adds a data key.
    InsertDataKey(DataKeyRow),
    /// Adds a connection. Conflicts when its id or name is taken.
    InsertConnection(ConnectionRow),
    /// Overwrites a connection. Conflicts when the name is taken.
    ReplaceConnection(ConnectionRow),
    /// Deletes the connection with its accounts and flows.
    DeleteConnection {
        /// Whose.
        organization: String,
        /// The connection's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Conflicts unless the connection still has this version: for decisions that rest on it.
    RequireConnection {
        /// Whose.
        organization: String,
        /// The connection's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Adds an account. Conflicts when its id is taken, its connection has one for the person, or there is no such
    /// connection.
    InsertAccount(AccountRow),
    /// Overwrites an account.
    ReplaceAccount(AccountRow),
    /// Deletes the account with its flows.
    DeleteAccount {
        /// Whose.
        organization: String,
        /// The account's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Takes the lease of an account that has none. Conflicts when it has one, or when the account's row has another
    /// version: somebody has brought a token, or taken the account away.
    TakeLease {
        /// The lease.
        lease: LeaseRow,
        /// The version that was read.
        account_version: i64,
    },
    /// Notes that the lease's request may leave from now on. Conflicts when the account's lease is another, or none, and
    /// when the account's row has another version by now: a token may have come that makes the request a harm.
    MarkSent {
        /// Whose.
        organization: String,
        /// The account's id.
        account_id: String,
        /// Which of its requests.
        epoch: i64,
        /// The version that was read when the lease was taken.
        account_version: i64,
    },
    /// Lets go of a lease; does nothing when the account's lease is another, or none.
    ReleaseLease {
        /// Whose.
        organization: String,
        /// The account's id.
        account_id: String,
        /// Which of its requests.
        epoch: i64,
    },
    /// Conflicts while somebody has the account's lease: for a credential that rests on the one before.
    RequireNoLease {
        /// Whose.
        organization: String,
        /// The account's id.
        account_id: String,
    },
    /// Notes that the provider refuses the app, over an earlier note.
    SetFault(FaultRow),
    /// Moves the next try of a fault, for the one who tries. Conflicts when it has been moved before, or there is no
    /// fault: somebody else tries, or has tried.
    PostponeFault {
        /// Whose.
        organization: String,
        /// The connection's id.
        connection_id: String,
        /// The next try that was read.
        from: Timestamp,
        /// The one from now on.
        to: Timestamp,
    },
    /// Forgets that the provider refused the app.
    ClearFault {
        /// Whose.
        organization: String,
        /// The connection's id.
        connection_id: String,
    },
    /// Conflicts while the connection has accounts: for what ends with the last of them.
    RequireNoAccounts {
        /// Whose.
        organization: String,
        /// The connection's id.
        connection_id: String,
    },
    /// Leaves something to be sent.
    InsertOutbox(OutboxRow),
    /// Overwrites what is to be sent, or was.
    ReplaceOutbox(OutboxRow),
    /// Deletes what was over before this moment, of every organization.
    ForgetOutbox {
        /// The moment.
        before: Timestamp,
    },
    /// Adds a record of what this commit does, which has no place in the chain yet.
    InsertRecord {
        /// The record.
        row: RecordRow,
        /// Whether the commit waits for the disk for its sake: what it tells of is done when it is durable.
        durable: bool,
    },
    /// Gives a record its place in the chain. Conflicts when it has one already.
    LinkRecord {
        /// Whose.
        organization: String,
        /// The record's id.
        id: String,
        /// Its number.
        number: i64,
        /// Ties it to the record before.
        link: Vec<u8>,
    },
    /// Moves the end of the chain. Conflicts when somebody else has moved it.
    MoveRecordsHead(RecordsHeadRow),
    /// Adds a flow. Conflicts when its id or one of its hashes is taken, or there is no such account.
    InsertFlow(FlowRow),
    /// Overwrites a flow.
    ReplaceFlow(FlowRow),
    /// Deletes flows, of every organization, that wait for a verification which was due before this moment, with what
    /// they hold.
    ForgetUnverified {
        /// The moment.
        before: Timestamp,
    },
    /// Deletes flows, of every organization, that were over before this moment.
    ForgetFlows {
        /// The moment.
        before: Timestamp,
    },
}

impl Change {
    /// Whether a commit with this change waits for the disk.
    ///
    /// A new link doesn't: it holds no credential and no code. A process that is killed loses nothing of what was
    /// committed either way; only where the power fails may the links of the last moments be unknown when they are
    /// opened, and the person asks for another. Whatever waits for the disk later takes them along.
    pub(crate) fn waits_for_disk(&self) -> bool {
        match self {
            Self::InsertFlow(flow) => flow.held.is_some(),
            Self::InsertRecord { durable, .. } => *durable,
            // Undone, they are taken to be under way still, which costs a wait.
            Self::ForgetFlows { .. }
            | Self::ForgetOutbox { .. }
            | Self::ReleaseLease { .. }
            | Self::SetFault(_)
            | Self::PostponeFault { .. }
            | Self::ClearFault { .. }
            // Linked again then, in the same order.
            | Self::LinkRecord { .. }
            | Self::MoveRecordsHead(_) => false,
            _ => true,
        }
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// All changes are durable, but for a new link, which a loss of power may undo.
    Applied,
    /// Someone else changed one of the rows, or made one that must be unique. Nothing was changed.
    Conflict,
}
