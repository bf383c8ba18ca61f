//! Lists.

use super::super::{
    Reply, Visit, WebError,
    job::blocking,
    pages::{
        self,
        admin::{AdminListPage, read_query},
    },
    reply,
};
use crate::app::admin::{ListPage, ListQuery, Model};
use http::StatusCode;

/// What the address of a list asks for, and what of it cannot be.
pub(super) fn asked(visit: &Visit, model: &'static Model) -> (ListQuery, Vec<String>) {
    let pairs: Vec<_> = visit.query_pairs().collect();
    read_query(model, pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))
}

/// A page of a list, looked up beside everything else.
pub(super) async fn found(
    visit: &Visit,
    model: &'static Model,
    query: &ListQuery,
) -> Result<ListPage, WebError> {
    let (app, actor, now) = (visit.app.clone(), visit.actor()?.clone(), visit.now);
    let query = query.clone();
    blocking(move || app.admin_list(&actor, model, &query, now)).await
}

pub(super) async fn show(visit: Visit, model: &'static Model) -> Reply {
    let (query, remarks) = asked(&visit, model);
    let list = found(&visit, model, &query).await?;
    let done = visit.query("done").and_then(|number| number.parse().ok());
    let result = done.and_then(|number| visit.actor().ok().map(|a| visit.app.result(a, number)));
    let result = result.flatten();
    let page = AdminListPage {
        model,
        query: &query,
        list: &list,
        remarks: &remarks,
        result: result.as_ref(),
    };
    let status = if remarks.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Ok(reply::html(status, pages::admin::list(&visit.frame(), &page)))
}
