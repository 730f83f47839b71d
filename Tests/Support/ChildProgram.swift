// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A program of this build, to be run as a process of its own.
public struct ChildProgram: Sendable {
  /// Where it is.
  public let path: String

  public struct Missing: Error, CustomStringConvertible {
    public let description: String
  }

  /// How a process ended, and all that it wrote.
  public struct Ending: Sendable {
    /// The exit code, or the signal that killed it.
    public let status: Int32
    public let wasKilled: Bool
    public let output: String
    public let errors: String

    /// The whole lines of its output: a last one without its end was cut by a kill.
    public var lines: [Substring] {
      output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    }
  }

  /// Finds a program: products of one build lie side by side, so it is beside the tests.
  public init(_ name: String) throws {
    let places =
      [Bundle.main.bundlePath, Bundle.main.executablePath ?? ""] + ProcessInfo.processInfo.arguments
    for place in places {
      var folder = URL(fileURLWithPath: place)
      for _ in 0..<4 {
        let file = folder.appendingPathComponent(name).path
        let kind = try? FileManager.default.attributesOfItem(atPath: file)[.type] as? FileAttributeType
        if kind == .typeRegular, FileManager.default.isExecutableFile(atPath: file) {
          path = file
          return
        }
        folder.deleteLastPathComponent()
      }
    }
    throw Missing(description: "\(name) was not built")
  }

  /// A program of the system; `nil` where it isn't.
  public init?(system name: String) {
    let places = ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"]
    guard let place = places.first(where: { FileManager.default.isExecutableFile(atPath: $0 + name) }) else {
      return nil
    }
    path = place + name
  }

  /// Starts the program.
  ///
  /// `environment` is added to the one of the tests.
  public func start(
    _ arguments: [String],
    environment: [String: String] = [:],
    input: Pipe? = nil
  ) throws -> ChildProcess {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    process.standardInput = input ?? FileHandle.nullDevice
    return try ChildProcess(process)
  }

  /// Runs the program to its end.
  public func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Ending {
    try await start(arguments, environment: environment).ended()
  }
}
