// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging

/// What the command writes to standard error about its own doings.
enum ConsoleLog {
  /// The variable of the environment that names the lowest level: `trace`, `debug`, `info`, `notice`, `warning`, `error`
  /// or `critical`.
  static let variable = "TENFOLD_LOG"

  /// The lowest level that is written: warnings, unless the environment says otherwise.
  static func level(_ environment: [String: String]) -> Logger.Level {
    environment[variable].flatMap { Logger.Level(rawValue: $0.lowercased()) } ?? .warning
  }

  /// Sends the whole process's log to standard error; to be called once, before anything logs.
  static func start() {
    let level = level(ProcessInfo.processInfo.environment)
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
  }
}
