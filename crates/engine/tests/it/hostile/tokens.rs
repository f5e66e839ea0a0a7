//! Answers that bring tokens, or almost do: what of them is used, and that no refresh token is lost (A105, A107, A108,
//! A110).

use onbehalf_engine::{accounts::Status, connect::Outcome};

use super::{
    Encounter,
    provider::{Script, Step, answers, json, message, says},
};
use crate::world::code;

/// Which refresh token is presented next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kept {
    /// The one from before.
    Old,
    /// `new-refresh`.
    New,
}
use Kept::{New, Old};

/// What the caller is told: the access token `new-access`, or an error.
type Told = Result<(), &'static str>;
const UNAVAILABLE: Told = Err("PROVIDER_UNAVAILABLE");

/// A provider's usual answer.
const TOKENS: &str =
    r#"{"access_token":"new-access","refresh_token":"new-refresh","token_type":"Bearer","expires_in":3600}"#;
const FORM: &str = "access_token=new-access&refresh_token=new-refresh&token_type=bearer&expires_in=3600";

/// Has a person of their own refresh by each case. Whatever comes of it, the account stays active and heals.
async fn check(cases: Vec<(&str, Script, Told, Kept)>) {
    let encounter = Encounter::new().await;
    for (person, (case, script, told, kept)) in cases.into_iter().enumerate() {
        let person = format!("user_{person}");
        encounter.consents(&person).await;
        let old = encounter.refresh_token(&person).await;
        let before = encounter.provider.requests().len();

        let refreshed = encounter.refreshes(&person, script).await;
        let refreshed = refreshed.as_deref().map_err(|error| error.code());
        assert_eq!(refreshed, told.map(|()| "new-access"), "{case}");
        assert_eq!(encounter.account(&person).await.status, Status::Active, "{case}");
        assert_eq!(encounter.provider.requests().len(), before + 1, "{case}: it was asked once");

        let expected = if kept == New { "new-refresh" } else { &old };
        assert_eq!(encounter.stored_refresh_token(&person).await, expected, "{case}");
    }
}

// A105
#[tokio::test]
async fn tokens_are_found_whatever_the_content_type_says() {
    let typed = |kind: &str, body: &str| answers(200, &format!("content-type: {kind}\r\n"), body);
    check(vec![
        ("JSON as JSON", typed("application/json; charset=utf-8", TOKENS), Ok(()), New),
        ("JSON as text", typed("text/plain", TOKENS), Ok(()), New),
        ("JSON as a page", typed("text/html", TOKENS), Ok(()), New),
        ("JSON as nothing", answers(200, "", TOKENS), Ok(()), New),
        ("JSON as no type at all", typed("\u{fc}/;;", TOKENS), Ok(()), New),
        ("JSON as created", json(201, TOKENS), Ok(()), New),
        ("JSON behind blank lines", json(200, format!("\r\n\r\n  {TOKENS}\n")), Ok(()), New),
        ("a form as a form", typed("application/x-www-form-urlencoded", FORM), Ok(()), New),
        ("a form as JSON", typed("application/json", FORM), Ok(()), New),
        ("a form as text", typed("text/plain", FORM), Ok(()), New),
    ])
    .await;
}

// A105
#[tokio::test]
async fn what_is_no_answer_changes_nothing_and_what_came_with_one_is_kept() {
    check(vec![
        ("nothing", json(200, ""), UNAVAILABLE, Old),
        ("nothing, and a status for it", json(204, ""), UNAVAILABLE, Old),
        ("a login page", answers(200, "content-type: text/html\r\n", "<html>Log in</html>"), UNAVAILABLE, Old),
        ("null", json(200, "null"), UNAVAILABLE, Old),
        ("a string", json(200, r#""new-refresh""#), UNAVAILABLE, Old),
        ("an empty object", json(200, "{}"), UNAVAILABLE, Old),
        ("an empty list", json(200, "[]"), UNAVAILABLE, Old),
        ("tokens in a list", json(200, format!("[{TOKENS}]")), UNAVAILABLE, Old),
        ("no access token", json(200, r#"{"refresh_token":"new-refresh"}"#), UNAVAILABLE, New),
        ("more behind the end", json(200, format!("{TOKENS}<!-- 3 ms -->")), UNAVAILABLE, New),
        ("a warning in front", json(200, format!("<b>Warning</b>: in token.php\n{TOKENS}")), UNAVAILABLE, New),
        ("a guard in front", json(200, format!(")]}}',\n{TOKENS}")), UNAVAILABLE, New),
        ("an error's status", json(500, TOKENS), UNAVAILABLE, Old),
    ])
    .await;
}

// A107
#[tokio::test]
async fn a_token_that_no_header_can_carry_is_not_stored_and_takes_none_with_it() {
    let tokens = |access: &str, refresh: &str| {
        json(200, format!(r#"{{"access_token":{access},"refresh_token":{refresh},"expires_in":3600}}"#))
    };
    let (access, refresh) = (r#""new-access""#, r#""new-refresh""#);
    check(vec![
        ("a line break in the access token", tokens(r#""a\r\nx-evil: 1""#, refresh), UNAVAILABLE, New),
        ("a raw line break in it", tokens("\"a\r\nx-evil: 1\"", refresh), UNAVAILABLE, New),
        ("a null character in it", tokens(r#""a\u0000""#, refresh), UNAVAILABLE, New),
        ("half a surrogate pair in it", tokens(r#""a\ud800""#, refresh), UNAVAILABLE, New),
        ("a space in it", tokens(r#""a b""#, refresh), UNAVAILABLE, New),
        ("a line break in the refresh token", tokens(access, r#""b\r\nx-evil: 1""#), UNAVAILABLE, Old),
        ("an access token twice", json(200, TOKENS.replace('{', r#"{"access_token":"evil","#)), UNAVAILABLE, New),
        ("a refresh token twice", json(200, TOKENS.replace('{', r#"{"refresh_token":"evil","#)), UNAVAILABLE, Old),
    ])
    .await;
}

// A107
#[tokio::test]
async fn what_is_odd_beside_the_tokens_does_no_harm() {
    let beside = |member: &[u8]| json(200, [b"{", member, b",", &TOKENS.as_bytes()[1..]].concat());
    check(vec![
        ("a byte order mark", json(200, format!("\u{feff}{TOKENS}")), Ok(()), New),
        ("bytes that are no UTF-8", beside(b"\"name\":\"\xff\xfe\""), Ok(()), New),
        ("half a surrogate pair", beside(br#""name":"\udfff""#), Ok(()), New),
        ("a null character", beside(b"\"name\":\"\\u0000\0\""), Ok(()), New),
        ("a number beyond every number", beside(br#""n":1e400"#), Ok(()), New),
        ("another member twice", beside(br#""n":1,"n":2"#), Ok(()), New),
        ("a member called like none", beside(br#""__proto__":{"access_token":"evil"}"#), Ok(()), New),
    ])
    .await;
}

// A108
#[tokio::test]
async fn a_refresh_token_is_replaced_by_a_new_one_alone() {
    let bringing = |member: &str| json(200, format!(r#"{{"access_token":"new-access","expires_in":3600{member}}}"#));
    check(vec![
        ("a new one", bringing(r#","refresh_token":"new-refresh""#), Ok(()), New),
        ("none", bringing(""), Ok(()), Old),
        ("an empty one", bringing(r#","refresh_token":"""#), Ok(()), Old),
        ("null", bringing(r#","refresh_token":null"#), Ok(()), Old),
        ("a number", bringing(r#","refresh_token":5"#), Ok(()), Old),
        ("a flag", bringing(r#","refresh_token":false"#), Ok(()), Old),
        ("an object", bringing(r#","refresh_token":{"value":"evil"}"#), Ok(()), Old),
        ("a list", bringing(r#","refresh_token":["evil"]"#), Ok(()), Old),
        ("one elsewhere", bringing(r#","other":{"refresh_token":"evil"}"#), Ok(()), Old),
        ("an empty one of a form", json(200, "access_token=new-access&expires_in=3600&refresh_token="), Ok(()), Old),
    ])
    .await;
}

// A108
#[tokio::test]
async fn the_same_refresh_token_again_is_kept() {
    let encounter = Encounter::with("user_1").await;
    let same = r#"{"access_token":"new-access","refresh_token":"refresh-1","expires_in":3600}"#;
    assert_eq!(encounter.refreshes("user_1", json(200, same)).await.unwrap(), "new-access");
    assert_eq!(encounter.stored_refresh_token("user_1").await, "refresh-1");
}

// A110
#[tokio::test]
async fn a_token_of_an_unknown_type_is_not_sent_as_bearer() {
    let typed = |kind: &str| json(200, TOKENS.replace(r#""Bearer""#, kind));
    check(vec![
        ("DPoP", typed(r#""DPoP""#), UNAVAILABLE, New),
        ("MAC", typed(r#""mac""#), UNAVAILABLE, New),
        ("not applicable", typed(r#""N_A""#), UNAVAILABLE, New),
        ("two types", typed(r#""Bearer, DPoP""#), UNAVAILABLE, New),
        ("two types, each once", typed(r#""Bearer","token_type":"DPoP""#), UNAVAILABLE, New),
        ("none", typed("null"), Ok(()), New),
        ("an empty one", typed(r#""""#), Ok(()), New),
        ("bearer in capitals", typed(r#""BEARER""#), Ok(()), New),
    ])
    .await;

    // The account that this was granted to is not made.
    let encounter = Encounter::new().await;
    encounter.provider.next(typed(r#""DPoP""#));
    let returned = encounter.consents("user_1").await;
    let failed = Outcome::Failed { code: "AUTHORIZATION_FAILED".into() };
    assert_eq!(encounter.world.outcome(&returned).await, failed);
    assert_eq!(encounter.account("user_1").await.status, Status::PendingAuth);
    assert_eq!(encounter.provider.requests().len(), 1, "the probe was not asked with it");
}

// A110
#[tokio::test]
async fn the_scopes_are_those_that_were_granted_last() {
    let encounter = Encounter::with("user_1").await;
    for (scope, expected) in [
        (r#""scope":"read""#, "read"),
        (r#""other":1"#, "read"),
        (r#""scope":"""#, "read"),
        (r#""scope":"read write admin""#, "read write admin"),
        (r#""scope":["write","read,list"]"#, "write read list"),
        (r#""scope":null"#, "write read list"),
        (r#""scope":7"#, "write read list"),
    ] {
        let body = TOKENS.replace('{', &format!("{{{scope},"));
        encounter.refreshes("user_1", json(200, body)).await.unwrap();
        assert_eq!(encounter.account("user_1").await.scopes.join(" "), expected, "{scope}");
    }
}

// F27: whatever arrived of the new refresh token behind its closing quote is kept, and nothing that may be half of one.
#[tokio::test]
async fn an_answer_may_break_off_anywhere() {
    let encounter = Encounter::with("user_1").await;
    let whole = message(200, "", TOKENS.as_bytes());
    let head = whole.len() - TOKENS.len();
    let complete = head + TOKENS.find("new-refresh\"").unwrap() + "new-refresh\"".len();
    let reset = |length: usize| vec![Step::Read, Step::Write(whole[..length].into()), Step::Reset];
    // Every byte of the token; one in ten elsewhere.
    let token = head + TOKENS.find("\"new-refresh").unwrap();
    for length in (0..whole.len()).filter(|length| length % 10 == 0 || (token..complete + 2).contains(length)) {
        for resets in if length % 10 == 0 { &[false, true][..] } else { &[false] } {
            let old = encounter.refresh_token("user_1").await;
            let script = if *resets { reset(length) } else { says(&whole[..length]) };
            assert_eq!(code(encounter.refreshes("user_1", script).await), "PROVIDER_UNAVAILABLE", "{length} bytes");
            let stored = encounter.stored_refresh_token("user_1").await;
            // A reset may overtake what was sent before it.
            let kept = if length >= complete && !(*resets && stored == old) { "new-refresh" } else { &old };
            assert_eq!(stored, kept, "{length} bytes, reset: {resets}");
        }
    }
}
