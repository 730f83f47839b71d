// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// Everything the demo measured: what `report.json` holds and `report.html` shows.
struct DemoReport: Sendable, Codable {
  struct Machine: Sendable, Codable {
    var cores: Int
    var memoryBandwidthGigabytesPerSecond: Double
    var instructionSet: String
    var system: String
  }

  var date: Date
  var machine: Machine
  var workload: Workload.Options
  /// How many abstracts the index held.
  var abstracts: Int
  var clients: Int
  var smallModel: String
  var largeModel: String?
  var prices: PriceList
  var disabled: [String]
  var naive: SystemFigures
  var tenfold: SystemFigures
  /// Share of the requests to which both systems gave the same answer.
  var agreement: Double
  var agreementOnEasy: Double
  /// The same requests without each technique, where that was asked for.
  var ablations: [Ablation]
  var bottleneck: BottleneckReport
  /// What a reader must know before trusting a figure.
  var notes: [String]

  var speedup: Double { naive.answersPerSecond > 0 ? tenfold.answersPerSecond / naive.answersPerSecond : 0 }

  var costRatio: Double {
    naive.dollarsPerThousand > 0 ? tenfold.dollarsPerThousand / naive.dollarsPerThousand : 0
  }

  func writeJSON(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    encoder.dateEncodingStrategy = .iso8601
    try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
  }
}
