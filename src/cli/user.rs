//! `img user passwd`: through the server if it runs, else in the store itself.

use super::{CliError, args::Global, direct, direct::Data, jobs, terminal};
use crate::{
    accounts,
    app::{CONSOLE, FIRST_CODE, FIRST_USER},
    domain::{Timestamp, UserName},
    store::{AuditRecord, Store, StoreError},
    web::api::types::PasswordJson,
};
use reqwest::Method;

/// `img user passwd`
pub fn passwd(global: &Global, name: &str) -> Result<(), CliError> {
    let user = UserName::new(name).map_err(|e| CliError::Usage(e.to_string()))?;
    let password = terminal::new_password(user.as_str())?;
    accounts::check_policy(&password, user.as_str()).map_err(|e| CliError::Usage(e.to_string()))?;
    let asked = super::run::block_on(ask(global, &user, &password));
    match asked {
        Err(CliError::Unreachable(reason)) if global.server.is_none() => {
            // Without a server its store is free.
            let data = Data::of(global).map_err(|error| match error {
                CliError::Failed(_) => CliError::Unreachable(format!("{reason} ({error})")),
                other => other,
            })?;
            let (store, _lock) = data.open()?;
            set_directly(&store, user.clone(), &password, direct::now())?;
        }
        other => other?,
    }
    terminal::note(&format!("the password of {user} is set, and their sessions are ended"));
    Ok(())
}

async fn ask(global: &Global, user: &UserName, password: &str) -> Result<(), CliError> {
    let client = global.client()?;
    let path = format!("/api/v1/users/{}/password", jobs::quoted(user.as_str()));
    let body = PasswordJson { password: password.to_owned() };
    client.send(client.request(Method::POST, &path).json(&body)).await.map(drop)
}

fn set_directly(
    store: &Store,
    user: UserName,
    password: &str,
    now: Timestamp,
) -> Result<(), CliError> {
    let hash = accounts::hash_blocking(password)
        .map_err(|e| CliError::failed("the password could not be stored", e))?;
    let line = AuditRecord {
        at: now,
        actor: CONSOLE.to_owned(),
        peer: "command line".to_owned(),
        action: "password.set".to_owned(),
        object: format!("user {user}"),
        detail: String::new(),
        request: String::new(),
    };
    let written = store.write_blocking(move |tx| {
        let missing = || StoreError::Missing { kind: "user", name: user.to_string() };
        let mut record = tx.user(&user)?.ok_or_else(missing)?;
        record.password_hash = hash;
        record.must_set_password = false;
        tx.put_user(&record)?;
        tx.remove_sessions_of(&user, None)?;
        if user.as_str() == FIRST_USER {
            tx.put_setting(FIRST_CODE, None)?;
        }
        tx.append_audit(&line)
    });
    written.and_then(|()| store.close()).map_err(|e| CliError::Failed(e.into()))
}
