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
    let index = try await SearchIndex.open(folder + "/index", embedder: models.embedder)
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

  private func compare(
    _ models: DemoModels,
    dataset: SciFactDataset,
    index: SearchIndex,
    database: SQLiteDatabase,
    prices: PriceList
  ) async throws {
    let calibration = DemoCalibration.bundled()
    let system = try TenfoldSystem(
      models: models,
      calibration: calibration,
      index: index,
      cacheDatabase: database,
      disabled: Set(command.without.compactMap { PipelineTechnique(named: $0) }),
      withoutRouting: command.without.contains("routing")
    )
    // Answers of an earlier run would make this one look better than it is.
    _ = try await system.cache.removeAll(of: "demo")
    let titles = Dictionary(
      dataset.documents.map { ($0.id, $0.title) },
      uniquingKeysWith: { first, _ in first }
    )
    try await withBackground(system.cache) {
      try await DemoQuestions(pipeline: system.pipeline, titles: titles).run()
    }

    let options = Workload.Options(
      count: command.requests ?? (command.quick ? 40 : 240),
      repeatShare: command.repeatShare,
      paraphraseShare: command.paraphraseShare,
      easyShare: command.easyShare,
      seed: command.seed
    )
    let workload = Workload(options: options, dataset: dataset)
    let replay = Replay(
      requests: workload.requests,
      clients: command.clients,
      cachePolicy: CachePolicy(allowsPrefixReuse: !command.without.contains("prefix-reuse"))
    )
    let large = models.large ?? models.small
    guard let dense = try index.denseRetriever() else {
      throw RetrievalError(
        .modelMismatch,
        "The index has no vectors; remove the demo's data folder and start again."
      )
    }
    let naive = NaiveSystem(
      model: CalibratedChoices(large, calibration),
      retriever: dense,
      log: database
    )

    ConsoleText.say(
      "\nReplaying \(workload.requests.count) requests of \(command.clients) clients, seed \(options.seed)."
    )
    let naiveBar = ProgressBar("naive system", total: workload.requests.count)
    let naiveResult = try await replay.run(naive, as: "naive") { naiveBar.show($0) }
    naiveBar.finish()

    _ = try await system.cache.removeAll(of: "tenfold")
    system.stages.reset()
    let tenfoldBar = ProgressBar("Tenfold", total: workload.requests.count)
    let tenfoldResult = try await withBackground(system.cache) {
      try await replay.run(system.pipeline, as: "tenfold") { tenfoldBar.show($0) }
    }
    tenfoldBar.finish()

    let report = report(
      naive: naiveResult,
      tenfold: tenfoldResult,
      workload: options,
      models: models,
      system: system,
      dataset: dataset,
      abstracts: index.count,
      prices: prices
    )
    try write(report)
  }

  private func report(
    naive: Replay.Result,
    tenfold: Replay.Result,
    workload: Workload.Options,
    models: DemoModels,
    system: TenfoldSystem,
    dataset: SciFactDataset,
    abstracts: Int,
    prices: PriceList
  ) -> DemoReport {
    let machine = MachineProfile.measure()
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
      bottleneck: BottleneckReport(stages: system.stages.snapshot, machine: machine),
      notes: notes
    )
  }

  private func write(_ report: DemoReport) throws {
    ConsoleText.say("")
    ConsoleText.say(ComparisonRow.table(ComparisonRow.rows(report)))
    ConsoleText.say("\nSame answer as the naive system: \((report.agreement * 100).fixed(1)) %")
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

/// Runs `body` while the cache stores answers in the background; that ends when `body` does.
func withBackground<Result: Sendable>(
  _ cache: ResponseCache,
  _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result?.self) { group in
    group.addTask {
      // A cancelled service has done its part.
      do { try await cache.run() } catch is CancellationError {}
      return nil
    }
    group.addTask { try await body() }
    var result: Result?
    while let next = try await group.next() {
      if let next {
        result = next
        group.cancelAll()
      }
    }
    guard let result else { throw CancellationError() }
    return result
  }
}
