# A Rack application with two pages: who answers, and a request that goes on until the test makes a file.

run(lambda do |env|
  if env["PATH_INFO"].start_with?("/wait/")
    File.open(ENV["EVENTS"], "a") { |events| events.syswrite("in-flight #{Process.pid}\n") }
    # Nothing to wait on but the file; its appearance is what counts.
    sleep 0.01 until File.exist?(ENV["RELEASE"])
  end
  [200, { "Content-Type" => "text/plain", "Content-Length" => "0", "X-Pid" => Process.pid.to_s }, []]
end)
