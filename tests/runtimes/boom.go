// Falls.
package main

import "fmt"

type orderError struct{ order string }

func (e orderError) Error() string { return "no such order: " + e.order }

//go:noinline
func load(order string) {
	panic(orderError{order})
}

//go:noinline
func charge(order string) {
	defer fmt.Print("")
	load(order)
}

func main() {
	charge("bill")
}
