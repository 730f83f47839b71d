// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// The report as one self-contained page: inline style, inline charts, no script.
struct HTMLReport {
  let report: DemoReport

  func write(to path: String) throws {
    try Data(page.utf8).write(to: URL(filePath: path), options: .atomic)
  }

  var page: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Tenfold: naive and Tenfold side by side</title>
    <style>\(Self.style)</style>
    </head>
    <body>
    <main>
    <h1>\(report.speedup.fixed(1))× the answers on the same machine</h1>
    <p class="lead">The same \(report.workload.count) requests over \(Double(report.abstracts).fixed(0)) scientific abstracts, asked by \(report.clients)
    clients: once of a naive system (the \(largeName) model for everything, one request at a time, full scan, no cache,
    synchronous writes), once of Tenfold.</p>
    \(headline)
    <h2>Side by side</h2>
    \(table)
    <h2>Throughput and cost</h2>
    <div class="charts">
    <figure>\(throughput)<figcaption>answers per second</figcaption></figure>
    <figure>\(cost)<figcaption>US dollars per 1,000 answers at \(dollars(report.prices.dollarsPerCoreHour)) a core-hour</figcaption></figure>
    </div>
    <h2>Latency</h2>
    <figure class="wide">\(latency)<figcaption>latency at each percentile, logarithmic:
    <span class="key naive">naive</span> <span class="key tenfold">Tenfold</span></figcaption></figure>
    <h2>Who answered</h2>
    <figure class="wide">\(sources)</figure>
    \(ablations)
    <h2>The bottleneck</h2>
    <p class="lead">\(escape(report.bottleneck.summary))</p>
    \(stages)
    \(warnings)
    <h2>How this was measured</h2>
    \(method)
    </main>
    </body>
    </html>
    """
  }

  private var largeName: String { escape(report.largeModel ?? report.smallModel) }

  private func escape(_ text: String) -> String { SVGChart.escape(text) }

  private func dollars(_ value: Double) -> String { "$\(value.fixed(3))" }

  private var headline: String {
    let figures: [(String, String)] = [
      ("\(report.speedup.fixed(1))×", "answers per second"),
      ("\((report.costRatio * 100).fixed(0)) %", "of the cost per answer"),
      ("\((report.agreement * 100).fixed(1)) %", "same answers as the naive system"),
      (report.tenfold.nDCG10.fixed(3), "nDCG@10 (naive \(report.naive.nDCG10.fixed(3)))"),
    ]
    let cards = figures.map { "<div><b>\($0.0)</b><span>\($0.1)</span></div>" }
    return "<div class=\"cards\">\(cards.joined())</div>"
  }

  private var table: String {
    let rows = ComparisonRow.rows(report).map { row in
      "<tr><th>\(escape(row.name))</th><td>\(escape(row.naive))</td><td>\(escape(row.tenfold))</td><td>\(escape(row.ratio))</td></tr>"
    }
    return """
      <table><thead><tr><th></th><td>naive</td><td>Tenfold</td><td>gain</td></tr></thead>
      <tbody>\(rows.joined(separator: "\n"))</tbody></table>
      """
  }

  private func pair(_ value: (SystemFigures) -> Double, digits: Int, title: String) -> String {
    SVGChart.bars(
      [
        .init(
          label: "naive",
          value: value(report.naive),
          text: value(report.naive).fixed(digits),
          cssClass: "naive"
        ),
        .init(
          label: "Tenfold",
          value: value(report.tenfold),
          text: value(report.tenfold).fixed(digits),
          cssClass: "tenfold"
        ),
      ],
      title: title
    )
  }

  private var throughput: String { pair(\.answersPerSecond, digits: 2, title: "Answers per second") }

  private var cost: String { pair(\.dollarsPerThousand, digits: 4, title: "US dollars per 1,000 answers") }

  private var latency: String {
    SVGChart.percentiles(
      [
        .init(label: "naive", cssClass: "naive", values: report.naive.latencyPercentiles),
        .init(label: "Tenfold", cssClass: "tenfold", values: report.tenfold.latencyPercentiles),
      ],
      title: "Latency by percentile"
    )
  }

  private var sources: String {
    let order = ["exact cache", "semantic cache", "coalesced", "small model", "large model"]
    let shares = order.enumerated().map { index, name in
      SVGChart.Share(label: name, value: Double(report.tenfold.sources[name] ?? 0), cssClass: "share\(index)")
    }
    return SVGChart.shares(shares, title: "Answers of Tenfold by source")
  }

  private var ablations: String {
    guard !report.ablations.isEmpty else { return "" }
    let rows = Ablation.rows(report.ablations, with: report.tenfold)
    func cells(_ row: [String]) -> String {
      "<th>\(escape(row[0]))</th>" + row.dropFirst().map { "<td>\(escape($0))</td>" }.joined()
    }
    let body = rows.dropFirst().map { "<tr>\(cells($0))</tr>" }
    return """
      <h2>What each technique is worth</h2>
      <p class="lead">The same requests once more without it. Gains multiply only as far as techniques don't serve the same
      requests.</p>
      <table><thead><tr>\(cells(rows[0]))</tr></thead>
      <tbody>\(body.joined(separator: "\n"))</tbody></table>
      """
  }

  private var stages: String {
    let rows = report.bottleneck.findings.map { finding in
      "<tr><th>\(escape(finding.stage))</th><td>\((finding.share * 100).fixed(1)) %</td><td>\(escape(finding.resource.name))</td>"
        + "<td>\((finding.waitShare * 100).fixed(0)) %</td><td>\(finding.median.inMilliseconds.fixed(2))</td>"
        + "<td>\(finding.p99.inMilliseconds.fixed(2))</td></tr>"
    }
    return """
      <table><thead><tr><th>stage</th><td>share of the time</td><td>limited by</td><td>of it waiting</td><td>median (ms)</td><td>p99 (ms)</td></tr></thead>
      <tbody>\(rows.joined(separator: "\n"))</tbody></table>
      """
  }

  private var warnings: String {
    guard !report.bottleneck.warnings.isEmpty else { return "" }
    let items = report.bottleneck.warnings.map { "<li>\(escape($0.description))</li>" }
    return "<p>What to watch:</p><ul>\(items.joined())</ul>"
  }

  private var method: String {
    let workload = report.workload
    let machine = report.machine
    var lines = [
      "\(machine.cores) cores, \(machine.instructionSet), \(machine.memoryBandwidthGigabytesPerSecond.fixed(1)) GB/s read by one thread, \(machine.system).",
      "Workload: \(workload.count) requests, \((workload.repeatShare * 100).fixed(0)) % repeats, \((workload.paraphraseShare * 100).fixed(0)) % paraphrases, \((workload.easyShare * 100).fixed(0)) % of the new ones easy, seed \(workload.seed).",
      "Small model: \(report.smallModel). Large model: \(report.largeModel ?? "none; requests that would have been escalated are counted").",
    ]
    if !report.disabled.isEmpty { lines.append("Switched off: \(report.disabled.joined(separator: ", ")).") }
    lines += report.notes
    return "<ul>" + lines.map { "<li>\(escape($0))</li>" }.joined(separator: "\n") + "</ul>"
  }

  private static let style = """
    :root { --ink: #1d2430; --soft: #5b6675; --line: #dfe4ea; --page: #ffffff; --card: #f5f7f9;
      --naive: #9aa5b1; --tenfold: #d9480f; --c0: #d9480f; --c1: #f59f00; --c2: #74b816; --c3: #1098ad; --c4: #4263eb; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --soft: #9aa5b1; --line: #2f3843; --page: #14181d; --card: #1d232a; } }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
    h1 { font-size: 2.2rem; line-height: 1.15; margin: 0 0 .5rem; } h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
    .lead { font-size: 1.05rem; color: var(--soft); max-width: 48rem; }
    .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
    .cards div { background: var(--card); border-radius: .6rem; padding: 1rem; } .cards b { display: block; font-size: 1.7rem; }
    .cards span { color: var(--soft); font-size: .9rem; }
    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
    th { text-align: left; font-weight: 500; } td { text-align: right; } th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--line); }
    thead td, thead th { color: var(--soft); font-size: .9rem; }
    .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
    figure { margin: 0; } figure.wide { max-width: 44rem; } figcaption { color: var(--soft); font-size: .9rem; }
    svg { width: 100%; height: auto; display: block; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); } svg .label { fill: var(--soft); }
    rect.naive { fill: var(--naive); } rect.tenfold { fill: var(--tenfold); } .grid { stroke: var(--line); }
    .line { fill: none; stroke-width: 2.5; } .line.naive { stroke: var(--naive); } .line.tenfold { stroke: var(--tenfold); }
    .key::before { content: ""; display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; vertical-align: -.05em; }
    .key.naive::before { background: var(--naive); } .key.tenfold::before { background: var(--tenfold); } .key { margin-left: .6em; }
    .legend span { margin-right: 1rem; white-space: nowrap; font-size: .9rem; } .legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
    .share0 { fill: var(--c0); background: var(--c0); } .share1 { fill: var(--c1); background: var(--c1); } .share2 { fill: var(--c2); background: var(--c2); }
    .share3 { fill: var(--c3); background: var(--c3); } .share4 { fill: var(--c4); background: var(--c4); }
    """
}
