// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// The workload through one system after the other, on the same models and the same index.
struct DemoTrials: Sendable {
  /// A system and what became of the requests.
  struct Trial: Sendable {
    var system: TenfoldSystem
    var result: Replay.Result
  }

  let models: DemoModels
  let calibration: DemoCalibration
  let index: SearchIndex
  let database: SQLiteDatabase
  let requests: [WorkloadRequest]
  let clients: Int

  /// Asks a few questions and shows the answers.
  func ask(_ dataset: SciFactDataset, without disabled: [String]) async throws {
    let system = try system(DemoTechniques(disabled: Set(disabled)))
    let titles = Dictionary(
      dataset.documents.map { ($0.id, $0.title) },
      uniquingKeysWith: { first, _ in first }
    )
    // Answers of an earlier run would make this one look better than it is.
    _ = try await system.cache.removeAll(of: "demo")
    try await withBackground(system.cache) {
      try await DemoQuestions(pipeline: system.pipeline, titles: titles).run()
    }
  }

  /// The naive system.
  func naive() async throws -> Replay.Result {
    guard let dense = try index.denseRetriever() else {
      throw RetrievalError(
        .modelMismatch,
        "The index has no vectors; remove the demo's data folder and start again."
      )
    }
    let naive = NaiveSystem(
      model: CalibratedChoices(models.large ?? models.small, calibration),
      retriever: dense,
      log: database
    )
    return try await replay("naive system") { progress in
      try await Replay(requests: requests, clients: clients).run(naive, as: "naive", progress: progress)
    }
  }

  /// Tenfold without some techniques, with caches and prefixes of its own.
  func tenfold(without disabled: [String]) async throws -> Trial {
    let techniques = DemoTechniques(disabled: Set(disabled))
    let system = try system(techniques)
    // A tenant of its own finds nothing of what another trial has computed.
    let name = (["tenfold"] + techniques.disabled.sorted()).joined(separator: "-")
    let tenant = TenantID(name)
    _ = try await system.cache.removeAll(of: tenant)
    let title = disabled.last.map { "Tenfold without \($0)" } ?? "Tenfold"
    let result = try await replay(title) { progress in
      try await withBackground(system.cache) {
        try await Replay(requests: requests, clients: clients, cachePolicy: techniques.cachePolicy)
          .run(system.pipeline, as: tenant, progress: progress)
      }
    }
    return Trial(system: system, result: result)
  }

  private func system(_ techniques: DemoTechniques) throws -> TenfoldSystem {
    try TenfoldSystem(
      models: models,
      calibration: calibration,
      index: index,
      cacheDatabase: database,
      techniques: techniques
    )
  }

  private func replay(
    _ title: String,
    _ run: (@escaping @Sendable (Int) -> Void) async throws -> Replay.Result
  ) async throws -> Replay.Result {
    let bar = ProgressBar(title, total: requests.count)
    let result = try await run { bar.show($0) }
    bar.finish()
    return result
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
