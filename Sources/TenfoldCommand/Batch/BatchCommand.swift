// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tenfold

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// `tenfold batch`: a file of requests in, a file of results out.
struct BatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch",
    abstract: "Answer a file of requests (JSON lines, as the usual batch API has them) with a local model.",
    discussion: """
      Stop it with Ctrl-C or SIGTERM, or kill it: called again with the same file and model it goes on, and every line is \
      answered once. With another model it is another batch. The output appears when all of it is there.
      """
  )

  @Argument(help: "The requests: one JSON object a line.")
  var input: String

  @Argument(help: "Where the results go, in the requests' order.")
  var output: String

  @Option(name: .customLong("file"), help: "The SQLite file that keeps what is done.")
  var path = "batch.sqlite"

  @Option(help: "The model (see `tenfold models list`).")
  var model = "SmolLM2-135M-Instruct"

  @Option(help: "The batch's name in the file, to which the model's is added; by default the input's path.")
  var id: String?

  @Option(help: "Whose batch it is.")
  var tenant = "local"

  @Option(help: "Lines that are answered at the same time, 1...256.")
  var concurrency = 8

  @Flag(help: "Answer the good lines of a file with bad ones; those get an error as their result.")
  var skipBadLines = false

  func validate() throws {
    guard (1...256).contains(concurrency) else { throw ValidationError("--concurrency must be in 1...256.") }
    guard !Self.isSameFile(output, input) else {
      throw ValidationError("The results would replace the requests: give the output another path.")
    }
    guard !Self.isSameFile(output, path) else {
      throw ValidationError("The results would replace the --file of what is done: give another path.")
    }
  }

  /// Fails where the results could not be written: better now than when all of them are there.
  private func requireOutput() throws {
    let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
    let problem: String
    if Self.isFolder(output) {
      problem = "\(output) is a folder: name a file for the results"
    } else if !Self.isFolder(folder) {
      problem = "there is no folder \(folder) for the results"
    } else if !FileManager.default.isWritableFile(atPath: folder) {
      problem = "the folder \(folder) of the results can't be written to"
    } else {
      return
    }
    ConsoleText.complain("error: \(problem)")
    throw ExitCode.failure
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether two paths are written alike, or lead to one file.
  private static func isSameFile(_ left: String, _ right: String) -> Bool {
    if left == right { return true }
    var (first, second) = (stat(), stat())
    guard unsafe stat(left, &first) == 0, unsafe stat(right, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }

  func run() async throws {
    try requireOutput()
    let run = BatchRun(
      input: input,
      output: output,
      path: path,
      model: model,
      // The lines of one model are never another's to answer: each has its queue, and a batch is one model's.
      id: BatchID("\(id ?? input):\(model)"),
      tenant: TenantID(tenant),
      options: .init(
        queue: QueueName("batch:\(model)"),
        concurrency: concurrency,
        badLines: skipBadLines ? .report : .refuse
      )
    )
    try await ModelsCommand.explained {
      do {
        if try await Interruption.run({ try await run.answer() }) {
          ConsoleText.complain("\nStopped. Every answered line is kept; run it again to go on.")
          throw ExitCode(130)
        }
      } catch let error as BatchError {
        let line = error.inputLine.map { " in line \($0)" } ?? ""
        // It may quote the input.
        ConsoleText.complain("error (\(error.code))\(line): \(ConsoleText.printable(error.message))")
        throw ExitCode.failure
      } catch let error as StorageError {
        ConsoleText.complain("error (\(error.code)): \(error.message)")
        throw ExitCode.failure
      }
    }
  }
}

/// What one call of `tenfold batch` does.
private struct BatchRun: Sendable {
  let input: String
  let output: String
  let path: String
  let model: String
  let id: BatchID
  let tenant: TenantID
  let options: BatchInference.Options

  func answer() async throws {
    let database = try await SQLiteDatabase.open(
      .file(path),
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    let store = try await SQLiteJobStore.open(in: database)
    do { try await answer(from: store) } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  private func answer(from store: SQLiteJobStore) async throws {
    // Before the model is fetched and loaded: what is wrong with the input shows at once.
    let intake = BatchInference.Intake(store: store, options: options)
    let total = try await intake.submit(input, as: id, for: tenant).total
    let model = try await loadModel()
    do {
      try await answer(BatchInference(store: store, model: model, options: options), total)
    } catch {
      await model.shutdown()
      throw error
    }
    await model.shutdown()
  }

  private func answer(_ batches: BatchInference, _ total: Int) async throws {
    let bar = ProgressBar("answering", total: total)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await batches.answer(input, to: output, as: id, for: tenant) }
      group.addTask {
        for try await now in batches.progress(of: id) { bar.show(now.settled) }
      }
      // Whoever fails ends the other.
      while try await group.next() != nil {}
    }
    bar.finish()
    let done = try await batches.status(of: id)
    ConsoleText.say("\(output): \(done.succeeded) answered, \(done.failed) failed")
  }

  private func loadModel() async throws -> LocalLanguageModel {
    let models = try ModelStore()
    if (try? await models.files(of: model)) == nil {
      var progress = FetchProgressPrinter(model: model)
      for try await event in models.events(fetching: model) { progress.show(event) }
    }
    let files = try await models.files(of: model)
    guard let path = files.paths.first(where: { $0.key.lowercased().hasSuffix(".gguf") })?.value else {
      throw ModelError(.missing, "The model \(model) has no GGUF file, so it can't answer; name another.")
    }
    return try await LocalLanguageModel.load(
      gguf: path,
      options: .init(
        contextLength: 2048,
        maximumConcurrentSequences: options.concurrency,
        packedWeights: models.packedWeights,
        id: model
      )
    )
  }
}
