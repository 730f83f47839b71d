// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// The demo from set-up to report.
struct Demo: Sendable {
  let command: DemoCommand

  func run() async throws {
    let prices = PriceList(dollarsPerCoreHour: command.corePrice)
    let whole = try SciFactDataset()
    let dataset = whole.limited(to: command.abstracts ?? (command.quick ? 1_000 : whole.documents.count))
    let folder = try dataFolder()
    let threads = command.threads ?? WorkerPool.defaultThreadCount
    let size: DemoModels.Size = command.small ? .small : command.large ? .large : .standard
    let models = try await DemoModels.load(size, store: try ModelStore(), prices: prices, threads: threads)
    do {
      try await run(models, dataset: dataset, folder: folder, prices: prices)
    } catch {
      await models.shutdown()
      throw error
    }
    await models.shutdown()
  }

  private func run(
    _ models: DemoModels,
    dataset: SciFactDataset,
    folder: String,
    prices: PriceList
  ) async throws {
    if let count = command.calibrate { return try await calibrate(models, dataset: dataset, count: count) }
    let index = try await openIndex(in: folder, models.embedder)
    try await Indexing(index: index, documents: dataset.documents, databasePath: folder + "/jobs.sqlite")
      .run()

    let database = try await SQLiteDatabase.open(
      .file(folder + "/demo.sqlite"),
      schemas: [NaiveSystem.schema, SQLiteCacheStore.schema]
    )
    do {
      try await compare(models, dataset: dataset, index: index, database: database, prices: prices)
    } catch {
      await database.close()
      throw error
    }
    await database.close()
  }

  /// Opens the index of earlier runs, or a new one where that is of another embedder.
  private func openIndex(in folder: String, _ embedder: any TextEmbedder) async throws -> SearchIndex {
    do {
      return try await SearchIndex.open(folder + "/index", embedder: embedder)
    } catch let error as RetrievalError where error.code == .modelMismatch {
      // With the jobs that filled it, or nothing would be put into the new one.
      for name in ["index", "jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm"] {
        try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
      }
      return try await SearchIndex.open(folder + "/index", embedder: embedder)
    }
  }

  private func compare(
    _ models: DemoModels,
    dataset: SciFactDataset,
    index: SearchIndex,
    database: SQLiteDatabase,
    prices: PriceList
  ) async throws {
    let options = Workload.Options(
      count: command.requests ?? (command.quick ? 40 : 240),
      repeatShare: command.repeatShare,
      paraphraseShare: command.paraphraseShare,
      easyShare: command.easyShare,
      seed: command.seed
    )
    let trials = DemoTrials(
      models: models,
      calibration: DemoCalibration.bundled(),
      index: index,
      database: database,
      requests: Workload(options: options, dataset: dataset).requests,
      clients: command.clients
    )
    try await trials.ask(dataset, without: command.without)

    ConsoleText.say(
      "\nReplaying \(options.count) requests of \(command.clients) clients, seed \(options.seed)."
    )
    let naive = try await trials.naive()
    let tenfold = try await trials.tenfold(without: command.without)
    var ablations: [Ablation] = []
    for technique in command.ablation ? techniquesToMiss(models) : [] {
      let trial = try await trials.tenfold(without: command.without + [technique])
      let figures = SystemFigures(
        name: "without \(technique)",
        replay: trial.result,
        judgements: dataset.judgements,
        price: prices
      )
      ablations.append(Ablation(technique: technique, figures: figures))
    }
    let report = report(
      naive: naive,
      tenfold: tenfold,
      ablations: ablations,
      workload: options,
      models: models,
      dataset: dataset,
      abstracts: index.count,
      prices: prices
    )
    try write(report)
  }

  /// What `--ablation` switches off, one after the other.
  private func techniquesToMiss(_ models: DemoModels) -> [String] {
    DemoTechniques.names.filter { name in
      !command.without.contains(name) && (name != DemoTechniques.routing || models.large != nil)
    }
  }

  private func report(
    naive: Replay.Result,
    tenfold trial: DemoTrials.Trial,
    ablations: [Ablation],
    workload: Workload.Options,
    models: DemoModels,
    dataset: SciFactDataset,
    abstracts: Int,
    prices: PriceList
  ) -> DemoReport {
    let machine = MachineProfile.measure()
    let (system, tenfold) = (trial.system, trial.result)
    func agreement(_ kind: WorkloadRequest.Kind?) -> Double {
      let pairs = zip(naive.outcomes, tenfold.outcomes).filter { kind == nil || $0.0.request.kind == kind }
      let same = pairs.count { $0.answer != nil && $0.answer == $1.answer }
      return pairs.isEmpty ? 0 : Double(same) / Double(pairs.count)
    }
    var notes = [
      "CPU time is the whole process's, threads that wait by spinning included; money is CPU time at the stated price.",
      "Claims are judged against SciFact's labels with the abstract that retrieval finds, not the annotated one, so even a perfect model can't reach 100 %.",
      "Support and contradiction are decided by the model's log-odds after its bias, measured on the train split, is taken out.",
    ]
    if let escalations = system.escalations {
      notes.append("Without a large model: \(escalations.count) requests would have been escalated to one.")
    }
    for outcome in (naive.outcomes + tenfold.outcomes) where outcome.failure != nil {
      notes.append("A request failed: \(outcome.failure ?? "")")
      if notes.count > 12 { break }
    }
    return DemoReport(
      date: .now,
      machine: .init(
        cores: machine.cores,
        memoryBandwidthGigabytesPerSecond: machine.memoryBandwidth / 1e9,
        instructionSet: InstructionSet.current.name,
        system: ProcessInfo.processInfo.operatingSystemVersionString
      ),
      workload: workload,
      abstracts: abstracts,
      clients: command.clients,
      smallModel: models.small.profile.id,
      largeModel: models.large?.profile.id,
      prices: prices,
      disabled: command.without,
      naive: SystemFigures(name: "naive", replay: naive, judgements: dataset.judgements, price: prices),
      tenfold: SystemFigures(name: "Tenfold", replay: tenfold, judgements: dataset.judgements, price: prices),
      agreement: agreement(nil),
      agreementOnEasy: agreement(.lookup),
      ablations: ablations,
      bottleneck: BottleneckReport(stages: system.stages.snapshot, machine: machine),
      notes: notes
    )
  }

  private func write(_ report: DemoReport) throws {
    ConsoleText.say("")
    ConsoleText.say(ComparisonRow.table(ComparisonRow.rows(report)))
    ConsoleText.say("\nSame answer as the naive system: \((report.agreement * 100).fixed(1)) %")
    if !report.ablations.isEmpty {
      ConsoleText.say("\nWhat each technique is worth: the same requests without it.\n")
      ConsoleText.say(Ablation.table(report.ablations, with: report.tenfold))
      ConsoleText.say("")
    }
    ConsoleText.say("Bottleneck: \(report.bottleneck.summary)")
    for warning in report.bottleneck.warnings { ConsoleText.say("To watch: \(warning)") }
    for note in report.notes.dropFirst(3) { ConsoleText.say("Note: \(note)") }
    try FileManager.default.createDirectory(atPath: command.output, withIntermediateDirectories: true)
    let html = command.output + "/report.html"
    let json = command.output + "/report.json"
    try HTMLReport(report: report).write(to: html)
    try report.writeJSON(to: json)
    ConsoleText.say("Report: \(html) and \(json)")
  }

  private func calibrate(_ models: DemoModels, dataset: SciFactDataset, count: Int) async throws {
    var calibration = DemoCalibration.bundled()
    let names = command.calibrateModel
    for model in [models.small, models.large].compactMap(\.self)
    where names.isEmpty || names.contains(model.profile.id) {
      calibration.models[model.profile.id] = try await DemoCalibration.measure(
        model,
        wordings: command.wording,
        dataset: dataset,
        count: count
      )
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    ConsoleText.say(String(decoding: try encoder.encode(calibration), as: UTF8.self))
  }

  private func dataFolder() throws -> String {
    let environment = ProcessInfo.processInfo.environment
    var folder = command.data ?? ""
    if folder.isEmpty {
      #if os(macOS)
      let base = NSHomeDirectory() + "/Library/Caches"
      #else
      let base =
        environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? NSHomeDirectory()
        + "/.cache"
      #endif
      folder = base + "/tenfold/demo"
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return folder
  }
}
