// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

#if canImport(FoundationXML)
import FoundationXML
#endif

@testable import TenfoldCommand

@Suite("SVGChart")
struct SVGChartTests {
  private static let awkward: [[Double]] = [
    [], [0, 0], [1], [1e-9, 1e12], [.nan, 1], [.infinity, 2], [-3, 4],
  ]

  @Test("charts of any values are well-formed and have finite coordinates", arguments: awkward)
  func wellFormed(values: [Double]) {
    let name = "a < b & \"c\" 'd'"
    let bars = values.map { SVGChart.Bar(label: name, value: $0, text: name, cssClass: "x") }
    let lines = [SVGChart.Line(label: name, cssClass: "x", values: values)]
    let shares = values.map { SVGChart.Share(label: name, value: $0, cssClass: "x") }
    for chart in [
      SVGChart.bars(bars, title: name), SVGChart.percentiles(lines, title: name),
      SVGChart.shares(shares, title: name),
    ] {
      // A chart may be followed by its legend.
      #expect(XMLParser(data: Data("<p>\(chart)</p>".utf8)).parse(), "\(chart)")
      #expect(!chart.contains("nan") && !chart.contains("inf"), "\(chart)")
    }
  }

  @Test("bars are as long as their values")
  func lengths() throws {
    let bars = [10.0, 5].map { SVGChart.Bar(label: "", value: $0, text: "", cssClass: "x") }
    let widths = SVGChart.bars(bars, title: "").matches(of: /<rect[^>]* width="([0-9.]+)"/).compactMap {
      Double($0.output.1)
    }
    #expect(widths.count == 2 && widths[0] == 2 * widths[1])
  }
}
