//! A list to take along: CSV or JSON, made while it is sent, a few hundred rows at a time.

use super::{
    super::{Reply, Visit, WebError, reply},
    list::asked,
};
use crate::{
    app::{
        App,
        admin::{ListQuery, Model, Object, Value},
    },
    domain::{Actor, Timestamp},
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value as Json, json};
use std::io;

/// Rows that are in memory at once.
const PIECE: usize = 500;

/// How rows are written down.
#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
}

pub(super) async fn csv(visit: Visit, model: &'static Model) -> Reply {
    send(&visit, model, Format::Csv, ("text/csv; charset=utf-8", "csv"))
}

pub(super) async fn json(visit: Visit, model: &'static Model) -> Reply {
    send(&visit, model, Format::Json, ("application/json", "json"))
}

fn send(
    visit: &Visit,
    model: &'static Model,
    format: Format,
    (mime, ending): (&'static str, &str),
) -> Reply {
    let (query, remarks) = asked(visit, model);
    if let Some(remark) = remarks.first() {
        let message = format!("{remark}: go back to the list");
        return Err(WebError::new(StatusCode::BAD_REQUEST, "Not that list", message));
    }
    let query = ListQuery { limit: PIECE, cursor: None, backwards: false, ..query };
    let from =
        From { app: visit.app.clone(), actor: visit.actor()?.clone(), model, now: visit.now };
    let mut response = reply::stream(StatusCode::OK, mime, pieces(from, query, format));
    let name = format!("attachment; filename=\"img-{}.{ending}\"", model.id);
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

#[derive(Clone)]
struct From {
    app: App,
    actor: Actor,
    model: &'static Model,
    now: Timestamp,
}

enum At {
    Begin(ListQuery),
    Next(ListQuery),
    End,
}

fn pieces(
    from: From,
    query: ListQuery,
    format: Format,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(At::Begin(query), move |at| {
        let from = from.clone();
        async move {
            let (first, query) = match at {
                At::Begin(query) => (true, query),
                At::Next(query) => (false, query),
                At::End => return Ok(None),
            };
            let asked = query.clone();
            let work = tokio::task::spawn_blocking(move || piece(&from, &asked, format, first));
            let (bytes, after) = work.await.map_err(io::Error::other)??;
            let next = match after {
                Some(cursor) => At::Next(ListQuery { cursor: Some(cursor), ..query }),
                None => At::End,
            };
            Ok(Some((bytes, next)))
        }
    })
}

type Piece = (Bytes, Option<crate::app::admin::ListCursor>);

fn piece(from: &From, query: &ListQuery, format: Format, first: bool) -> io::Result<Piece> {
    let page = from
        .app
        .admin_list(&from.actor, from.model, query, from.now)
        .map_err(|error| io::Error::other(error.to_string()))?;
    let text = match format {
        Format::Csv => csv_text(from.model, &page.rows, first),
        Format::Json => json_text(from.model, &page.rows, first, page.after.is_none()),
    };
    Ok((text.into(), page.after))
}

fn csv_text(model: &Model, rows: &[Object], first: bool) -> String {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    if first {
        line(model.columns.iter().map(|c| quoted(c.id)).collect());
    }
    for object in rows {
        line(model.columns.iter().map(|c| quoted(&plain(object.cell(c.id)))).collect());
    }
    text
}

/// Amounts as plain numbers, so that programs can reckon with them.
fn plain(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => bytes.to_string(),
        Value::Span(span) => span.as_secs_f64().to_string(),
        other => other.text(),
    }
}

/// A cell. One that a spreadsheet would take for a formula is made a text.
fn quoted(text: &str) -> String {
    let formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let mark = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\n', '\r']) {
        return format!("\"{mark}{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn json_text(model: &Model, rows: &[Object], first: bool, last: bool) -> String {
    let mut text = String::from(if first { "[" } else { "" });
    for (n, object) in rows.iter().enumerate() {
        text.push_str(if first && n == 0 { "\n" } else { ",\n" });
        let cells = model.columns.iter().map(|c| (c.id.to_owned(), json_of(object.cell(c.id))));
        text.push_str(&Json::Object(cells.collect::<Map<_, _>>()).to_string());
    }
    if last {
        text.push_str("\n]\n");
    }
    text
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Nothing => Json::Null,
        Value::Yes(yes) => json!(yes),
        Value::Number(number) => json!(number),
        Value::Bytes(bytes) => json!(bytes),
        Value::Span(span) => json!(span.as_secs_f64()),
        Value::Words(words) => json!(words),
        Value::Grants(verbs) => json!(verbs.iter().map(|v| v.as_str()).collect::<Vec<_>>()),
        other => json!(other.text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_two() {
        assert_eq!(quoted("core"), "core");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted("@SUM(A1)"), "\"'@SUM(A1)\"");
        assert_eq!(quoted("-7"), "-7");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn pieces_of_json_make_one_list() {
        let model = crate::app::admin::model("sites").unwrap();
        let site = |d: &str| Object::new(d, d).with("domain", Value::Text(d.into()));
        let (a, b) = ([site("a"), site("b")], [site("c")]);
        let whole = json_text(model, &a, true, false) + &json_text(model, &b, false, true);
        let read: Vec<Json> = serde_json::from_str(&whole).unwrap();
        assert_eq!(read.len(), 3);
        let none = json_text(model, &[], true, true);
        assert_eq!(serde_json::from_str::<Vec<Json>>(&none).unwrap().len(), 0);
    }
}
