// The stream that logfmt records on standard input were made of, as go-logfmt reads them.
package main

import (
	"bufio"
	"encoding/base64"
	"log"
	"os"

	"github.com/go-logfmt/logfmt"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	decoder := logfmt.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for decoder.ScanRecord() {
		var message []byte
		raw, newline := "", true
		for decoder.ScanKeyval() {
			value := string(decoder.Value())
			switch string(decoder.Key()) {
			case "msg":
				message = []byte(value)
			case "raw":
				raw = value
			case "eol", "last":
				newline = newline && value != "false"
			}
		}
		if raw != "" {
			var err error
			if message, err = base64.StdEncoding.DecodeString(raw); err != nil {
				log.Fatal(err)
			}
		}
		out.Write(message)
		if newline {
			out.WriteByte('\n')
		}
	}
	if err := decoder.Err(); err != nil {
		log.Fatal(err)
	}
	out.Flush()
}
