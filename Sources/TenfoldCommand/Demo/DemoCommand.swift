// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tenfold

/// `tenfold demo`.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract:
      "Answer questions over scientific abstracts: a naive system against Tenfold, side by side.",
    discussion: """
      The first run downloads the models (680 MB; 190 MB with --small) and indexes the abstracts: 5,183 of them, some \
      minutes; 1,000 with --quick, and a later run adds the rest. Ctrl-C at any moment leaves everything consistent; \
      the next run goes on. The report is written to report.html and report.json.
      """
  )

  @Flag(help: "End within three minutes after set-up: fewer abstracts and fewer requests.")
  var quick = false

  @Flag(help: "Do without the large model (190 MB of models in place of 680).")
  var small = false

  @Flag(help: "Take the 1.5B model as the large one (1.1 GB more).")
  var large = false

  @Option(help: "How many abstracts are indexed at least (default all 5,183; 1,000 with --quick).")
  var abstracts: Int?

  @Option(help: "How many requests are replayed (default 240; 40 with --quick).")
  var requests: Int?

  @Option(help: "How many clients ask at the same time.")
  var clients = 8

  @Option(help: "Share of the requests that repeat an earlier one word for word.")
  var repeatShare = 0.35

  @Option(help: "Share of the requests that put an earlier one in other words.")
  var paraphraseShare = 0.20

  @Option(help: "Share of easy requests among the new ones.")
  var easyShare = 0.40

  @Option(help: "Seed of the workload.")
  var seed: UInt64 = 7

  @Option(help: "Price of a core-hour in US dollars.")
  var corePrice = PriceList().dollarsPerCoreHour

  @Option(help: "Threads of each model (default: all processors this process may use).")
  var threads: Int?

  @Option(
    name: .customLong("without"),
    help: "Switch a technique off: \(DemoTechniques.names.joined(separator: ", "))."
  )
  var without: [String] = []

  @Flag(help: "Replay the requests again without each technique, and say what each is worth.")
  var ablation = false

  @Option(help: "Where the index and the cache are kept (default: the user's cache directory).")
  var data: String?

  @Option(help: "Where report.html and report.json are written.")
  var output = "."

  /// Measures the models on so many train claims and lookups, and prints what belongs into `calibration.json`.
  @Option(help: .hidden)
  var calibrate: Int?

  /// With `--calibrate`: the models by name; all without.
  @Option(help: .hidden)
  var calibrateModel: [String] = []

  /// With `--calibrate`: the wordings to choose from.
  @Option(help: .hidden)
  var wording: [ClaimWording] = ClaimWording.allCases

  func validate() throws {
    let shares = [repeatShare, paraphraseShare, easyShare]
    guard shares.allSatisfy({ $0 >= 0 && $0 <= 1 }), repeatShare + paraphraseShare < 1 else {
      throw ValidationError("shares lie in 0...1, and repeats and paraphrases together below 1")
    }
    guard (requests ?? 1) >= 1, (requests ?? 1) <= 100_000 else {
      throw ValidationError("requests lie in 1...100000")
    }
    guard (500...1_000_000).contains(abstracts ?? 500) else {
      throw ValidationError("abstracts is 500 or more: the workload's claims are about some 300 of them")
    }
    guard (1...256).contains(clients) else { throw ValidationError("clients lie in 1...256") }
    guard (1...256).contains(threads ?? 1) else { throw ValidationError("threads lie in 1...256") }
    guard corePrice >= 0, corePrice.isFinite else {
      throw ValidationError("the price of a core-hour is 0 or more")
    }
    guard !(small && large) else { throw ValidationError("--small and --large exclude each other") }
    for name in without where !DemoTechniques.names.contains(name) {
      throw ValidationError("there is no technique '\(name)'")
    }
  }

  func run() async throws {
    try await ModelsCommand.explained {
      let demo = Demo(command: self)
      if try await Interruption.run({ try await demo.run() }) {
        ConsoleText.complain("\nStopped. Everything finished so far is kept; run the demo again to go on.")
        throw ExitCode(130)
      }
    }
  }
}
