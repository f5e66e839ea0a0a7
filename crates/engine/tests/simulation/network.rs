//! A process's way to the provider: messages are slow, lost and cut off, and go on when their sender is killed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use onbehalf_engine::egress::{
    Egress, Failure,
    body::{Incoming, Outgoing},
};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    process::Process,
    provider::{Answer, Provider},
};

/// A process's way out.
#[derive(Debug)]
pub(crate) struct SimEgress {
    pub(crate) process: Arc<Process>,
    pub(crate) provider: Arc<Provider>,
}

impl SimEgress {
    /// What comes back of a token request before the deadline, if anything does.
    async fn exchange(&self, number: usize, refresh_token: String, deadline: Instant) -> Result<Answer, Failure> {
        let (world, provider) = (self.process.world.clone(), self.provider.clone());
        let (there, back) = (world.latency(), world.latency());
        let lost = world.fault(world.options.loss);
        let lost_back = world.fault(world.options.loss);
        let (arrive, arrived) = oneshot::channel();
        tokio::spawn(async move {
            tokio::time::sleep(there).await;
            if !lost {
                let answer = provider.answer(number, &refresh_token);
                tokio::time::sleep(back).await;
                if !lost_back {
                    // Nobody may be there any more.
                    drop(arrive.send(answer));
                    return;
                }
            }
            // A way that broke is often not noticed.
            let silent = world.dice.once_in(2);
            if silent {
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
            drop(arrive);
        });
        match tokio::time::timeout_at(deadline, arrived).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Failure::Unknown { reason: "interrupted", partial: None }),
            Err(_) => Err(Failure::Unknown { reason: "deadline", partial: None }),
        }
    }

    async fn token(&self, body: Bytes, deadline: Instant) -> Result<Response<Incoming>, Failure> {
        // Who comes to it too late sends nothing.
        if Instant::now() >= deadline {
            return Err(Failure::Unknown { reason: "deadline", partial: None });
        }
        let mut pairs = url::form_urlencoded::parse(&body);
        let refresh_token = pairs.find(|(name, _)| name == "refresh_token").expect("a refresh").1.into_owned();
        let number = self.provider.sent(&self.process, &refresh_token);
        let answer = self.exchange(number, refresh_token, deadline).await;
        self.process.step().await;
        let world = &self.process.world;
        let (status, body) = answer.inspect_err(|_| self.provider.over(number, false))?;
        if !world.fault(world.options.loss) {
            self.provider.over(number, status != 500);
            return Ok(response(status, Incoming::whole(body)));
        }
        let beginning = body[..world.dice.between(0..body.len() as u64 + 1) as usize].to_owned();
        let whole = beginning.split(r#""refresh_token":""#).nth(1).is_some_and(|token| token.contains('"'));
        self.provider.over(number, whole);
        let rest = Err(Failure::Unknown { reason: "interrupted", partial: None });
        Ok(response(status, Incoming::new(stream::iter([Ok(Bytes::from(beginning)), rest]))))
    }
}

fn response(status: u16, body: Incoming) -> Response<Incoming> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

#[async_trait]
impl Egress for SimEgress {
    async fn open(&self, request: Request<Outgoing>, patience: Duration) -> Result<Response<Incoming>, Failure> {
        self.process.step().await;
        let deadline = Instant::now() + patience;
        let world = &self.process.world;
        assert_eq!(request.uri().host(), Some("provider.example"), "a request left the provider's host");
        if world.fault(world.options.loss) {
            return Err(Failure::NotSent { reason: "connect" });
        }
        tokio::time::sleep(world.latency()).await;
        self.process.step().await;
        // The connection stands. What it takes to make the body is done only now.
        let (parts, body) = request.into_parts();
        let body = body.collect().await?;
        self.process.step().await;
        if parts.uri.path() == "/token" {
            return self.token(body, deadline).await;
        }
        tokio::time::sleep(world.latency()).await;
        self.process.step().await;
        let bearer = parts.headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        let status = if self.provider.admits(bearer) { 200 } else { 401 };
        Ok(response(status, Incoming::whole(r#"{"error":"invalid_token"}"#)))
    }
}
