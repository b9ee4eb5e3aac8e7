# Four forked workers that fall at once, each from an error inside another.
class OrderError < StandardError; end

def load(order)
  { card: 1 }.fetch(order)
end

def charge(order)
  load(order)
rescue KeyError
  raise OrderError, "no such order: #{order}"
end

gate, go = IO.pipe
4.times do
  fork do
    go.close
    gate.read
    charge(:bill)
  end
end
go.close
Process.waitall
