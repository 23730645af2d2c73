//! Recognises web pages and small servers that run what a visitor sends.
//!
//! A page that hands a field of the request to the language or to a shell is a door for everybody who finds it. Frameworks
//! read requests and some run programs, but never the one with the other in one expression.
//!
//! - Sees: PHP (`eval`, `assert`, the exec family, back-ticks, `create_function`, `preg_replace` with `/e`, `include` of a request
//!   field, a function whose name is sent, request fields decoded on the way, also one assignment away), JSP and Java
//!   (`Runtime.exec`, `ProcessBuilder`, `defineClass` of a parameter), ASPX and classic ASP, Python (Flask, Django, FastAPI, CGI,
//!   `http.server`), Node (`exec` and `eval` of a query), Perl and shell CGI, Ruby (Sinatra, Rack), Go (`FormValue`).
//! - Misses: shells that hide the name of the function in arithmetic on strings or keep the code in another file; servers that
//!   authenticate first and are a tool on purpose look the same.
//! - False alarms: database and file managers that evaluate PHP for a logged-in user; examples in books (documents are left out).
//! - Source: PHP manual (`variables.external`, `functions.variable-functions`, `preg_replace` before 7.0); ATT&CK T1505.003.

use std::sync::LazyLock;

use model::{Category, Confidence, FileKind, Maturity, Severity, Weight};
use regex::bytes::{Regex, RegexBuilder};

use super::{About, Detector, Match, Sample, Scope};
use crate::shell::text;

/// Bytes looked at before and after a literal.
const NEAR_BYTES: usize = 500;
/// Most places looked at in one file.
const PLACES_MAX: usize = 1024;

pub(super) const DETECTOR: Detector = Detector {
    about: About {
        id: "web-shell",
        title: "Web page that runs what a visitor sends",
        category: Category::Backdoor,
        weight: Weight::Proof,
        severity: Severity::Critical,
        confidence: Confidence::Medium,
        maturity: Maturity::Stable,
        techniques: &["T1505.003"],
    },
    scope: Scope::Content {
        kinds: text::TEXT_KINDS,
        literals: &[
            "$_POST",
            "$_GET[",
            "$_GET{",
            "$_REQUEST",
            "$_COOKIE",
            "$_SERVER['HTTP_",
            "$_SERVER[\"HTTP_",
            "php://input",
            "getallheaders()",
            ".getParameter(",
            ".getHeader(",
            "Request.Form",
            "Request.QueryString",
            "Request.Item[",
            "Request[\"",
            "Request.Params",
            "eval(Request",
            "eval request(",
            "execute(request",
            "request.args",
            "request.form",
            "request.values",
            "request.get_json",
            "request.json",
            "request.GET",
            "request.POST",
            "request.query_params",
            "request.data",
            ".getfirst(",
            ".getvalue(",
            "QUERY_STRING",
            "parse_qs(",
            "req.query",
            "req.body",
            "req.params",
            "searchParams.get(",
            "url.parse(req",
            "->param(",
            "param('",
            "param(\"",
            "params[:",
            "FormValue(",
            ".Query().Get(",
            "rfile.read(",
        ],
    },
    inspect,
};

/// A way to run what is sent: in words, and its pattern.
type Way = (&'static str, Regex);

const PHP_FIELD: &str =
    r"\$_(?:POST|GET|REQUEST|COOKIE|SERVER\s*\[\s*[\x22']HTTP_\w+[\x22']\s*\]|SERVER\s*\[\s*[\x22']QUERY_STRING)";
const PHP_RUN: &str = r"(?:eval|assert|system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec|create_function)";
const PHP_WRAP: &str = r"(?:[\s@(!]|base64_decode|gzinflate|gzuncompress|str_rot13|stripslashes|trim|urldecode|rawurldecode|hex2bin|strrev|convert_uudecode|implode|chr|openssl_decrypt|htmlspecialchars_decode|\x22\s*\.|'\s*\.|\x22)*";

static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| {
    let field = PHP_FIELD;
    let run = PHP_RUN;
    let rows = [
        ("PHP: runs a request field", format!(r"(?:^|[^\w>:$]){run}\s*\({PHP_WRAP}{field}")),
        (
            "PHP: runs a request field by way of a variable",
            // `$c = $_GET['c']; … system($c)`: the name is compared below.
            format!(
                r"\$(?P<set>\w+)\s*=\s*@?(?:isset\([^)]*\)\s*\?\s*)?{PHP_WRAP}{field}[^;]{{0,120}};(?s:.{{0,400}}?)(?:^|[^\w>:$]){run}\s*\({PHP_WRAP}\$(?P<used>\w+)"
            ),
        ),
        ("PHP: makes a function of a request field", format!(r"create_function\s*\([^;\n]{{0,60}}{field}")),
        ("PHP: runs the body of a request", format!(r"(?:^|[^\w>:$]){run}\s*\({PHP_WRAP}file_get_contents\s*\(\s*[\x22']php://input")),
        ("PHP: runs a request header", format!(r"(?:^|[^\w>:$]){run}\s*\({PHP_WRAP}(?:getallheaders|apache_request_headers)\(\)")),
        ("PHP: back-ticks around a request field", format!(r"`[^`\n]{{0,40}}{field}\s*\[[^`\n]{{0,60}}`")),
        ("PHP: calls the function that a request names", format!(r"(?:^|[;{{}}@=(\s]){field}\s*[\[{{][^\]}}]{{1,40}}[\]}}]\s*\(\s*(?:{field}|\))")),
        (
            "PHP: calls the function that a request names",
            format!(r"\$(?P<set>\w+)\s*=\s*@?{field}\s*\[[^\]]{{1,40}}\]\s*;(?s:.{{0,200}}?)[;{{}}@\s=]\$(?P<used>\w+)\s*\(\s*@?{field}"),
        ),
        (
            "PHP: hands a request field to a function by name",
            format!(
                r"(?:call_user_func(?:_array)?|array_map|array_filter|array_walk|usort|uasort|register_shutdown_function)\s*\(\s*@?(?:[\x22']{run}[\x22']|{field})[^;\n]{{0,80}}{field}|array_(?:filter|map)\s*\([^;\n]{{0,60}}{field}[^;\n]{{0,60}}[\x22']{run}[\x22']"
            ),
        ),
        (
            "PHP: preg_replace runs a request field",
            format!(r"(?:preg_replace|mb_ereg_replace)\s*\(\s*[\x22'](?P<e>/[^\x22'\n]{{0,60}}/[a-zA-Z]*e[a-zA-Z]*|[^\x22'\n]{{1,20}})[\x22']\s*,\s*@?{PHP_WRAP}{field}"),
        ),
        (
            "PHP: a function name put together from pieces gets a request field",
            format!(r"\$(?P<set>\w+)\s*=\s*(?:[\x22'][a-z0-9_\\]{{1,12}}[\x22']\s*\.\s*){{1,12}}[\x22'][a-z0-9_\\]{{1,12}}[\x22']\s*;(?s:.{{0,200}}?)@?\$(?P<used>\w+)\s*\({PHP_WRAP}{field}"),
        ),
        (
            "PHP: a decoded function name gets a request field",
            format!(r"\$(?P<set>\w+)\s*=\s*(?:base64_decode|str_rot13|strrev|hex2bin|chr|pack|implode|str_replace)\s*\([^;\n]{{1,120}};(?s:.{{0,200}}?)@?\$(?P<used>\w+)\s*\({PHP_WRAP}{field}"),
        ),
        (
            "PHP: stores a sent file under a sent name and code",
            format!(r"(?:file_put_contents|fwrite|fputs)\s*\(\s*@?{field}[^;\n]{{1,80}},{PHP_WRAP}{field}"),
        ),
        (
            "JSP: runs a request parameter",
            r"(?s)(?:getRuntime\(\)\s*\.\s*exec|new\s+(?:java\.lang\.)?ProcessBuilder)\s*\([^;]{0,120}\.get(?:Parameter|Header)\(".to_owned(),
        ),
        (
            "JSP: runs a request parameter by way of a variable",
            r"String\s+(?P<set>\w+)\s*=\s*\w*[rR]eq\w*\.get(?:Parameter|Header)\((?s:.{0,500}?)(?:getRuntime\(\)\s*\.\s*exec|\w\.exec|ProcessBuilder)\s*\([^;]{0,80}\b(?P<used>\w+)\s*[,})]".to_owned(),
        ),
        (
            "JSP: defines a class from a request",
            r"(?s)defineClass\s*\([^;]{0,200}\.get(?:Parameter|Header|Reader|InputStream)\(|\.get(?:Parameter|Reader|InputStream)\((?s:.{0,400}?)(?:\.|\b)(?:g|defineClass)\([^;]{0,80}\)\s*\.\s*newInstance\(".to_owned(),
        ),
        (
            "ASP: runs a request field",
            r"(?i)(?:^|[^\w.])(?:eval|execute(?:global|statement)?)\s*\(?\s*\(?(?:System\.Text\.[^;\n]{0,80}\(\s*)?(?:\w+\.)?request(?:\.(?:form|querystring|item|params|headers))?\s*[\[(]".to_owned(),
        ),
        (
            "ASPX: starts a program with a request field",
            r"(?is)(?:\.Arguments\s*=|Process\.Start\s*\()[^;]{0,120}(?:\w+\.)?Request(?:\.(?:Form|QueryString|Item|Params|Headers))?\s*[\[(]".to_owned(),
        ),
        (
            "ASP: runs a request field by WScript.Shell",
            r"(?is)WScript\.Shell.{0,300}?\.(?:exec|run)\s*\(?[^\n]{0,60}request(?:\.(?:form|querystring))?\s*\(".to_owned(),
        ),
        (
            "Python: runs a request field",
            r"(?:os\.(?:system|popen)|subprocess\.(?:run|call|Popen|check_output|getoutput|getstatusoutput)|(?:^|[^\w.])(?:eval|exec)|commands\.getoutput)\s*\(\s*(?:\[[^\]\n]{0,40})?f?[\x22']?[^\n\x22']{0,30}(?:\w+\.)?(?:request\.(?:args|form|values|GET|POST|json|get_json|query_params|data|headers|cookies)\b|(?:form|fs|fields|params)\.(?:getvalue|getfirst)\(|parse_qs\()".to_owned(),
        ),
        (
            "Python: runs a request field by way of a variable",
            r"(?P<set>\w+)\s*=\s*(?:await\s+)?[^\n]{0,40}(?:request\.(?:args|form|values|GET|POST|json|get_json|query_params|data|headers|cookies)\b|\b(?:form|fs|fields|params|query|q)\.(?:getvalue|getfirst)\(|parse_qs\(|self\.rfile\.read\(|environ\.get\([\x22']QUERY_STRING)[^\n]*\n(?s:.{0,400}?)(?:os\.(?:system|popen)|subprocess\.(?:run|call|Popen|check_output|getoutput|getstatusoutput)|[^\w.](?:eval|exec))\s*\(\s*(?:[\[\x22'f{]|/bin/(?:ba)?sh|sh|bash|-c|[,\s\x22'])*(?P<used>\w+)\b".to_owned(),
        ),
        (
            "Node: runs a request field",
            r"(?:(?:^|[^.\w]|\b(?:cp|child_process|childProcess|proc|shell|execa)\.|child_process[\x22']\)\.)(?:exec(?:Sync|File|FileSync)?|spawn(?:Sync)?)|[^\w.]eval|new Function|vm\.run\w+)\s*\(\s*[^;\n]{0,60}?(?:\breq(?:uest)?\.(?:query|body|params|headers|cookies)\b|url\.parse\(\s*req|searchParams\.get\()".to_owned(),
        ),
        (
            "Node: runs a request field by way of a variable",
            r"(?:(?:const|let|var)\s+)?\{?\s*(?P<set>\w+)\s*\}?\s*=\s*[^;\n]{0,60}(?:\breq(?:uest)?\.(?:query|body|params|headers)\b|url\.parse\(\s*req|searchParams\.get\()[^;\n]{0,60}[;\n](?s:.{0,300}?)(?:[^.\w]exec(?:Sync)?|\b(?:cp|child_process|childProcess|proc|shell|execa)\.exec(?:Sync)?|child_process[\x22']\)\.exec(?:Sync)?|\bspawn(?:Sync)?|[^\w.]eval|new Function)\s*\(\s*(?:[\[\x22'`${]|sh|/bin/(?:ba)?sh|-c|[,\s])*(?P<used>\w+)\b".to_owned(),
        ),
        (
            "Perl: runs a request field",
            r"(?:system|exec|open\s*\(?\s*\w+\s*,|qx|eval)[\s({/\x22'|]*[^;\n]{0,20}(?:\$?\w*->\s*param\s*\(|[^\w]param\(\s*[\x22']|\$ENV\{[\x22']?QUERY_STRING)|`[^`\n]{0,40}(?:->param\(|\$ENV\{[\x22']?QUERY_STRING)".to_owned(),
        ),
        (
            "Perl: runs a request field by way of a variable",
            r"\$(?P<set>\w+)\s*=\s*[^;\n]{0,60}(?:->\s*param\s*\(|[^\w]param\(|\$ENV\{[\x22']?QUERY_STRING)[^;\n]*;(?s:.{0,300}?)(?:[^\w>](?:system|exec|eval)[\s(]*\x22?|`|qx[{(/|]\s*)(?:[^\n$`;]{0,20})\$\{?(?P<used>\w+)".to_owned(),
        ),
        (
            "shell CGI: runs the query",
            r#"(?:\beval\s+|\b(?:ba)?sh\s+-c\s+|\|\s*(?:ba)?sh\b)[\x22']?[^\n]{0,60}\$\{?QUERY_STRING|QUERY_STRING[^\n]{0,120}\|\s*(?:/bin/)?(?:ba)?sh\s*(?:$|\n|2>)"#.to_owned(),
        ),
        (
            "Ruby: runs a request field",
            r"(?:(?:system|exec|eval|IO\.popen|Open3\.\w+|%x[\[({])\s*\(?\s*|`[^`\n]{0,30}#\{)[^;\n]{0,20}(?:request\.)?params\[".to_owned(),
        ),
        (
            "Go: runs a request field",
            r"exec\.Command(?:Context)?\s*\([^\n]{0,80}(?:\.FormValue\(|\.Query\(\)\.Get\()".to_owned(),
        ),
        (
            "Go: runs a request field by way of a variable",
            r"(?P<set>\w+)\s*:?=\s*[^\n]{0,30}(?:\.FormValue\(|\.Query\(\)\.Get\()[^\n]*\n(?s:.{0,400}?)exec\.Command(?:Context)?\s*\([^\n]{0,60}\x22(?:/bin/)?(?:ba|z|k)?sh\x22,\s*\x22-c\x22,\s*(?P<used>\w+)".to_owned(),
        ),
    ];
    rows.into_iter()
        .map(|(way, pattern)| {
            let built = RegexBuilder::new(&pattern).unicode(false).multi_line(true).size_limit(32 << 20).build();
            (way, built.expect("the pattern is a constant, and a test runs it"))
        })
        .collect()
});

fn inspect(sample: &Sample<'_>) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut looked_until = 0;
    for hit in sample.hits.iter().take(PLACES_MAX) {
        if hit.offset < looked_until {
            continue;
        }
        looked_until = hit.offset + NEAR_BYTES / 4;
        let (start, near) = sample.around(hit.offset, NEAR_BYTES, NEAR_BYTES);
        for (way, pattern) in WAYS.iter() {
            if found.iter().any(|known| known.summary == *way) {
                continue;
            }
            let Some(at) = pattern.captures_iter(near).take(8).find_map(|captures| run_at(&captures)) else { continue };
            if !text::is_quoted(sample, start + at) {
                found.push(Match::new(*way, start + at));
            }
        }
    }
    let runs = match text::language(sample.bytes) {
        // Pages are read by a server for what they hold; a program that holds one, and says where to, plants it.
        text::Language::Page => Some(Weight::Proof),
        _ if sample.kind == FileKind::Script => Some(Weight::Proof),
        _ if matches!(sample.bytes.trim_ascii_start().first(), Some(b'{' | b'[')) => None,
        text::Language::None => Some(Weight::Sign),
        _ => Some(Weight::Proof),
    };
    for one in &mut found {
        let is_page = ["PHP", "JSP", "ASP"].iter().any(|page| one.summary.starts_with(page));
        let is_own = !is_page || text::language(sample.bytes) == text::Language::Page || is_planted(sample, one.offset);
        let weight = match runs {
            Some(weight) if is_own => weight,
            Some(Weight::Sign) if is_page => Weight::Sign,
            _ => Weight::Fact,
        };
        let weight =
            if matches!(sample.kind, FileKind::Binary | FileKind::Archive) { weight.min(Weight::Sign) } else { weight };
        if weight != DETECTOR.about.weight {
            one.weight = Some(weight);
            one.severity = Some(if weight == Weight::Fact { Severity::Info } else { Severity::Medium });
        }
    }
    found
}

/// Whether the line at `offset` writes to a page's file.
fn is_planted(sample: &Sample<'_>, offset: Option<usize>) -> bool {
    let Some(offset) = offset else { return false };
    let line = String::from_utf8_lossy(sample.around(offset, 200, NEAR_BYTES).1).into_owned();
    let names = [".php", ".phtml", ".jsp", ".aspx", ".asp", ".inc"];
    let writes = [">", "tee ", "open(", "write", "put_contents", "cp "];
    names.iter().any(|name| line.contains(name)) && writes.iter().any(|way| line.contains(way))
}

/// Where the match begins, if what was set is what is run.
fn run_at(captures: &regex::bytes::Captures<'_>) -> Option<usize> {
    if let (Some(set), Some(used)) = (captures.name("set"), captures.name("used"))
        && set.as_bytes() != used.as_bytes()
    {
        return None;
    }
    if let Some(modifiers) = captures.name("e")
        && !modifiers
            .as_bytes()
            .rsplit(|byte| *byte == b'/')
            .next()
            .is_some_and(|tail| tail.contains(&b'e') && tail.len() < 8)
    {
        return None;
    }
    captures.get(0).map(|whole| whole.start())
}

#[cfg(test)]
mod tests {
    use super::{DETECTOR, WAYS};
    use crate::detectors::testing::run;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let found = run(&DETECTOR, "x", 0o644, text.as_bytes());
        assert_eq!(!found.is_empty(), expected, "{text}: {found:?}");
    }

    #[test]
    fn every_language_is_seen() {
        assert!(WAYS.len() > 20);
        for text in [
            "<?php @eval($_POST['x']); ?>",
            "<?php eval(base64_decode($_POST['x'])); ?>",
            "<?php system($_GET[\"cmd\"].\" 2>&1\"); ?>",
            "GIF89a\n<?php passthru($_REQUEST['c']);",
            "<?php if(isset($_GET['c'])){ $cmd = $_GET['c']; echo '<pre>'; $o = shell_exec($cmd); } ?>",
            "<?=`$_GET[0]`?>",
            "<?php $_GET['f']($_GET['a']);",
            "<?php $f = $_GET['f']; $f($_POST['a']);",
            "<?php preg_replace('/.*/e', $_POST['x'], '');",
            "<?php $a='as'.'sert'; $a($_POST['x']);",
            "<?php $f = str_rot13('flfgrz'); $f($_REQUEST['x']);",
            "<?php $f=create_function('', $_POST['x']); $f();",
            "<?php call_user_func('system', $_GET['x']);",
            "<?php eval(file_get_contents('php://input'));",
            "<% Runtime.getRuntime().exec(request.getParameter(\"c\")); %>",
            "<%@ page import=\"java.io.*\" %>\n<% String cmd = request.getParameter(\"c\");\nProcess p = Runtime.getRuntime().exec(new String[]{\"sh\",\"-c\",cmd}); %>",
            "<%@ Page Language=\"Jscript\"%><%eval(Request.Item[\"x\"],\"unsafe\");%>",
            "<%execute(request(\"x\"))%>",
            "<%eval request(\"x\")%>",
            "from flask import Flask, request\nimport os\n@app.route('/x')\ndef x():\n    return os.popen(request.args.get('c')).read()\n",
            "import os\ndef x():\n    cmd = request.args['c']\n    out = subprocess.check_output(cmd, shell=True)\n",
            "import cgi, os\nform = cgi.FieldStorage()\nc = form.getvalue('c')\nprint(os.popen(c).read())\n",
            "const e = require('express')\napp.get('/x', (req, res) => exec(req.query.cmd, (a, b) => res.send(b)))\n",
            "const cp = require('child_process')\nhttp.createServer((req, res) => { const q = url.parse(req.url, true).query.c; cp.exec(q, (e, o) => res.end(o)) })\n",
            "#!/usr/bin/perl\nuse CGI;\nmy $q = CGI->new;\nmy $c = $q->param('c');\nprint `$c 2>&1`;\n",
            "#!/bin/sh\necho\neval \"$(echo \"$QUERY_STRING\" | sed 's/+/ /g')\"\n",
            "require 'sinatra'\nget('/x') { `#{params[:c]}` }\n",
            "package main\nfunc h(w http.ResponseWriter, r *http.Request) {\n\tc := r.FormValue(\"c\")\n\tout, _ := exec.Command(\"sh\", \"-c\", c).Output()\n}\n",
        ] {
            check(text, true);
        }
    }

    #[test]
    fn pages_that_read_requests_are_silent() {
        for text in [
            "<?php $id = $_GET['id']; echo htmlspecialchars($id); exec('uptime');",
            "<?php $stmt = $db->exec($_POST['x']); $this->system($_GET['y']);",
            "<?php include 'x.php'; $p = $_GET['p'];",
            "<?php preg_replace('/e/', $_POST['x'], '');",
            "<?php curl_exec($ch); $x = $_POST['x'];",
            "# Web shells\n\n```php\n<?php system($_GET['c']); ?>\n```\n",
            "def f():\n    name = request.args['n']\n    subprocess.run(['ls', '/tmp'])\n",
            "const id = req.params.id;\nconst m = /x/.exec(id);\n",
            "my $c = $q->param('c');\nprint escape($c);\n",
            "rule x {\nstrings:\n$a = \"<?php eval($_POST['x'])\"\ncondition:\n$a\n}\n",
        ] {
            check(text, false);
        }
    }
}
