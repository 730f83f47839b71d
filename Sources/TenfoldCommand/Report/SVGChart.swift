// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Small charts as inline SVG: no script, no fonts, colours from the page's style sheet.
enum SVGChart {
  struct Bar {
    var label: String
    var value: Double
    var text: String
    var cssClass: String
  }

  /// Horizontal bars from zero, one below the other.
  static func bars(_ bars: [Bar], title: String) -> String {
    let top = max(bars.map(\.value).filter(\.isFinite).max() ?? 0, 1e-12)
    let (labelWidth, barWidth, rowHeight) = (110.0, 330.0, 30.0)
    let height = Double(bars.count) * rowHeight + 4
    var svg = open(width: labelWidth + barWidth + 110, height: height, title: title)
    for (index, bar) in bars.enumerated() {
      let y = Double(index) * rowHeight + 4
      let width = bar.value.isFinite ? max(1, bar.value / top * barWidth) : 1
      svg +=
        "<text class=\"label\" x=\"\(labelWidth - 8)\" y=\"\(y + 16)\" text-anchor=\"end\">\(escape(bar.label))</text>"
      svg +=
        "<rect class=\"\(bar.cssClass)\" x=\"\(labelWidth)\" y=\"\(y)\" width=\"\(width.fixedPlain)\" height=\"22\" rx=\"3\"/>"
      svg +=
        "<text class=\"value\" x=\"\((labelWidth + width + 6).fixedPlain)\" y=\"\(y + 16)\">\(escape(bar.text))</text>"
    }
    return svg + "</svg>"
  }

  struct Line {
    var label: String
    var cssClass: String
    /// The value at every percentile from 0 to 100.
    var values: [Double]
  }

  /// Latency at each percentile, on a logarithmic scale.
  static func percentiles(_ lines: [Line], title: String) -> String {
    let (width, height, left, bottom, topMargin) = (560.0, 260.0, 70.0, 36.0, 12.0)
    let all = lines.flatMap(\.values).filter { $0 > 0 && $0.isFinite }
    let low = floorPower(all.min() ?? 1)
    let high = max(ceilingPower(all.max() ?? 10), low * 10)
    func x(_ percent: Double) -> Double { left + percent / 100 * (width - left - 24) }
    func y(_ value: Double) -> Double {
      let share = (log10(min(max(value, low), high)) - log10(low)) / (log10(high) - log10(low))
      return topMargin + (1 - share) * (height - bottom - topMargin)
    }
    var svg = open(width: width, height: height, title: title)
    var tick = low
    while tick <= high * 1.001 {
      svg +=
        "<line class=\"grid\" x1=\"\(left)\" x2=\"\(width - 24)\" y1=\"\(y(tick).fixedPlain)\" y2=\"\(y(tick).fixedPlain)\"/>"
      svg +=
        "<text class=\"label\" x=\"\(left - 8)\" y=\"\((y(tick) + 4).fixedPlain)\" text-anchor=\"end\">\(duration(tick))</text>"
      tick *= 10
    }
    for percent in [0.0, 25, 50, 75, 90, 100] {
      svg +=
        "<text class=\"label\" x=\"\(x(percent).fixedPlain)\" y=\"\(height - 14)\" text-anchor=\"middle\">p\(Int(percent))</text>"
    }
    for line in lines {
      let points = line.values.enumerated().map { "\(x(Double($0)).fixedPlain),\(y($1).fixedPlain)" }
      svg += "<polyline class=\"line \(line.cssClass)\" points=\"\(points.joined(separator: " "))\"/>"
    }
    return svg + "</svg>"
  }

  struct Share {
    var label: String
    var value: Double
    var cssClass: String
  }

  /// One bar divided into shares, with its legend.
  static func shares(_ shares: [Share], title: String) -> String {
    let shares = shares.filter { $0.value > 0 && $0.value.isFinite }
    let total = max(shares.reduce(0) { $0 + $1.value }, 1e-12)
    let width = 560.0
    var svg = open(width: width, height: 34, title: title)
    var x = 0.0
    for share in shares {
      let part = share.value / total * width
      svg +=
        "<rect class=\"\(share.cssClass)\" x=\"\(x.fixedPlain)\" y=\"2\" width=\"\(part.fixedPlain)\" height=\"28\"><title>\(escape(share.label))</title></rect>"
      x += part
    }
    svg += "</svg><p class=\"legend\">"
    for share in shares {
      let percent = (share.value / total * 100).fixed(0)
      svg += "<span><i class=\"\(share.cssClass)\"></i>\(escape(share.label)) \(percent) %</span> "
    }
    return svg + "</p>"
  }

  /// Text as HTML.
  static func escape(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }

  private static func open(width: Double, height: Double, title: String) -> String {
    "<svg viewBox=\"0 0 \(width.fixedPlain) \(height.fixedPlain)\" role=\"img\" aria-label=\"\(escape(title))\">"
      + "<title>\(escape(title))</title>"
  }

  private static func duration(_ milliseconds: Double) -> String {
    milliseconds >= 1000
      ? "\((milliseconds / 1000).fixed(0)) s"
      : milliseconds >= 1 ? "\(milliseconds.fixed(0)) ms" : "\((milliseconds * 1000).fixed(0)) µs"
  }

  private static func log10(_ value: Double) -> Double { logarithm10(value) }

  private static func floorPower(_ value: Double) -> Double { power(10, log10(value).rounded(.down)) }

  private static func ceilingPower(_ value: Double) -> Double { power(10, log10(value).rounded(.up)) }
}

extension Double {
  /// This number for an SVG attribute.
  fileprivate var fixedPlain: String {
    isFinite ? String((self * 100).rounded() / 100) : "0"
  }
}
