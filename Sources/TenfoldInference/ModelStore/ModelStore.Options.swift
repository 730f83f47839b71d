// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension ModelStore {
  /// Where a store lies and how it gets what is missing.
  public struct Options: Sendable {
    /// The store's folder; absolute.
    public var root: String
    /// Whether the network must not be used.
    public var isOffline = false
    /// The address of the Hugging Face hub or of a mirror of it.
    public var hubEndpoint = "https://huggingface.co"
    /// The token that is sent to the hub, if any; never printed.
    public var hubToken: String?
    /// The command that runs `pip`.
    public var pipCommand = ["python3", "-m", "pip"]
    /// How long a server may take to begin its answer before the next source is tried.
    public var answerTimeout: Duration = .seconds(8)
    /// How long a connection may stay silent in the middle before it counts as broken.
    public var stallTimeout: Duration = .seconds(30)
    /// How many broken connections are followed by another attempt; 0 or more.
    public var retries = 3
    /// The wait before another attempt, which grows with each.
    public var retryDelay: Duration = .milliseconds(500)
    /// The environment of the programs that the store starts.
    public var environment: [String: String]

    /// Options for a store in a folder, with nothing taken from the environment but what child programs inherit.
    ///
    /// - Parameters:
    ///   - root: The store's folder; a relative path is taken from the current folder.
    ///   - environment: The environment of the programs that the store starts; by default this process's.
    public init(root: String, environment: [String: String]? = nil) {
      self.root =
        root.hasPrefix("/") ? root : FileManager.default.currentDirectoryPath + "/" + root
      while self.root.count > 1, self.root.hasSuffix("/") { self.root.removeLast() }
      self.environment = environment ?? ProcessInfo.processInfo.environment
    }

    /// Options as the environment says.
    ///
    /// `TENFOLD_MODELS` is the store's folder (by default `tenfold/models` in the user's cache folder),
    /// `TENFOLD_OFFLINE=1` forbids the network, `HF_ENDPOINT` and `HF_TOKEN` mean what they mean to the hub's tools.
    ///
    /// - Parameter environment: The variables to read; by default this process's.
    /// - Returns: The options.
    public static func fromEnvironment(_ environment: [String: String]? = nil) -> Options {
      let environment = environment ?? ProcessInfo.processInfo.environment
      func value(_ name: String) -> String? {
        guard let value = environment[name], !value.isEmpty else { return nil }
        return value
      }
      var options = Options(
        root: value("TENFOLD_MODELS") ?? cacheFolder(environment) + "/tenfold/models",
        environment: environment
      )
      options.isOffline = ["1", "true", "yes", "on"].contains(value("TENFOLD_OFFLINE")?.lowercased() ?? "")
      if let endpoint = value("HF_ENDPOINT") { options.hubEndpoint = endpoint }
      options.hubToken = value("HF_TOKEN")
      return options
    }

    private static func cacheFolder(_ environment: [String: String]) -> String {
      #if canImport(Darwin)
      if let folder = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first {
        return folder.path
      }
      #else
      // The XDG specification says that relative paths are to be ignored.
      if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder }
      #endif
      return (environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? NSHomeDirectory()) + "/.cache"
    }
  }
}
