//! The rows that a store keeps, the keys by which they are found, and what is counted of them.
//!
//! A row is what the database holds, column by column. What the sealed bytes and the MACs mean, the rows' codec knows;
//! a store moves them as they are.

use crate::time::Timestamp;

/// What a store says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Random, made with the store. Every sealed cell is bound to it.
    pub store_id: String,
    /// The root key, which everything in the store is sealed with.
    pub key_id: String,
    /// Proof of the right key, without the key.
    pub key_check: Vec<u8>,
    /// When the store was made.
    pub created_at: Timestamp,
}

/// One way to the store's root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlotRow {
    /// The id of the key that opens it.
    pub id: String,
    /// What it holds, in the words of the vault.
    pub kind: String,
    /// The root key, sealed under that key; nothing where it is the root key itself.
    pub wrapped: Option<Vec<u8>>,
    /// Proof of the right key, without the key.
    pub key_check: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
}

/// An organization's data key, wrapped by the root's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyRow {
    /// Whose.
    pub organization: String,
    /// Random, in the header of every cell that it sealed.
    pub id: [u8; 16],
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An app's set-up of one connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random (`conn_…`); the second part of the key.
    pub id: String,
    /// Unique in the organization; lower case.
    pub name: String,
    /// The slug of its connector.
    pub connector: String,
    /// Whether it may be used.
    pub enabled: bool,
    /// Everything that is no secret, as JSON.
    pub config: String,
    /// The app's secrets, sealed.
    pub secrets: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// One person's credential on one connection. Unique by organization, connection and identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random (`ca_…`); the second part of the key.
    pub id: String,
    /// The connection that it belongs to; it is deleted with it.
    pub connection_id: String,
    /// The app's own id of the person.
    pub identifier: String,
    /// The wire's name of the status.
    pub status: String,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// When the access token ends, where known.
    pub expires_at: Option<Timestamp>,
    /// When to refresh, or to try again, where planned; indexed.
    pub refresh_at: Option<Timestamp>,
    /// The credential, sealed.
    pub credential: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// The right to send one token request for an account. It is there while the request is, or may be, under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// The account; the second part of the key.
    pub account_id: String,
    /// Who sends: the name of an instance's journal.
    pub holder: String,
    /// Which of the account's requests it is.
    pub epoch: i64,
    /// When nobody needs to wait for it any longer, on the store's clock ([`Store::now`]).
    pub until: Timestamp,
    /// Whether the request may have left.
    pub sent: bool,
}

/// A provider's refusal of the app itself: of its secret, or its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// The connection; the second part of the key.
    pub connection_id: String,
    /// The connection's version that was refused. One that was changed since is not at fault.
    pub connection_version: i64,
    /// What the provider said: a short code.
    pub error: String,
    /// When it first said so.
    pub since: Timestamp,
    /// How often it has said so since then.
    pub failures: u32,
    /// No token request before this moment.
    pub next_try: Timestamp,
}

/// A connection, as the plan of refreshes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// Whose.
    pub organization: String,
    /// The connection's id.
    pub connection_id: String,
    /// When the first of its accounts is due; nothing when none is ever.
    pub first: Option<Timestamp>,
}

/// An account that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRow {
    /// The account's id.
    pub account_id: String,
    /// Since when.
    pub refresh_at: Timestamp,
}

/// One authorization under way, from link to outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random; the second part of the key.
    pub id: String,
    /// The connection that is being authorized.
    pub connection_id: String,
    /// The account that the credential is meant for; the flow is deleted with it.
    pub account_id: String,
    /// How far it has come, in the words of `connect`.
    pub status: String,
    /// SHA-256 of the link's token; unique.
    pub link_hash: Vec<u8>,
    /// SHA-256 of the OAuth `state`; unique.
    pub state_hash: Option<Vec<u8>>,
    /// SHA-256 of the verification nonce; unique.
    pub nonce_hash: Option<Vec<u8>>,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// What is held between steps (the PKCE verifier, then the code; or a key that was entered), sealed.
    pub held: Option<Vec<u8>>,
    /// When it is over. Whoever ends a flow earlier moves this to that moment: until then it counts as under way.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// Something that a commit has left to be sent, until it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random; the second part of the key.
    pub id: String,
    /// What it is: `revocation`.
    pub kind: String,
    /// The connection that it was sent for, which may be gone.
    pub connection_id: String,
    /// The account that it was sent for, which may be gone.
    pub account_id: String,
    /// What became of it, in the words of whoever sends it.
    pub status: String,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// What is to be sent, sealed.
    pub held: Option<Vec<u8>>,
    /// When it is sent, or sent again; nothing when it is over. Indexed.
    pub next_try: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// What was done, and what came of it. It is never changed, but for its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Unique, and in the order in which a process makes them; the second part of the key.
    pub id: String,
    /// What was done, in the words of `audit`.
    pub action: String,
    /// To whom, in whose course, and what came of it, as JSON.
    pub facts: String,
    /// When, on the clock of whoever did it.
    pub at: Timestamp,
    /// Its place in the chain, counted from one without a gap; nothing until it has one.
    pub number: Option<i64>,
    /// Ties it to the record before.
    pub link: Option<Vec<u8>>,
    /// The codec's MAC over the columns but for the place.
    pub mac: Vec<u8>,
}

/// Where the chain of records ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsHeadRow {
    /// The number of the last record.
    pub number: i64,
    /// Its link.
    pub link: Vec<u8>,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// How a connection is found.
#[derive(Debug, Clone, Copy)]
pub enum ConnectionKey<'a> {
    /// By its random id.
    Id(&'a str),
    /// By its name, in lower case.
    Name(&'a str),
}

/// How an account is found.
#[derive(Debug, Clone, Copy)]
pub enum AccountKey<'a> {
    /// By its random id.
    Id(&'a str),
    /// By the person, on one connection.
    Identifier {
        /// The connection's id.
        connection_id: &'a str,
        /// The app's own id of the person, byte for byte.
        identifier: &'a str,
    },
}

/// How a flow is found. Browsers know no organization: the hashes of 256-bit secrets are keys by themselves. An id is
/// no secret, so it needs its organization.
#[derive(Debug, Clone, Copy)]
pub enum FlowKey<'a> {
    /// By its id, within its organization.
    Id {
        /// Whose.
        organization: &'a str,
        /// The flow's id.
        id: &'a str,
    },
    /// By the SHA-256 of the link's token.
    Link(&'a [u8]),
    /// By the SHA-256 of the OAuth `state`.
    State(&'a [u8]),
    /// By the SHA-256 of the verification nonce.
    Nonce(&'a [u8]),
}

/// Which accounts a list holds.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Only of these connections; empty means all.
    pub connection_ids: Vec<String>,
    /// Only of this person.
    pub identifier: Option<String>,
}

/// How many flows are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingFlows {
    /// Of the account.
    pub of_account: u32,
    /// Of the organization, the account's included.
    pub of_organization: u32,
}
