// A reverse proxy that shows one namespace of an engine: it asks for the list
// of all containers, decodes it, keeps those with the namespace's label, and
// encodes them again. What somebody would write in an afternoon.
//
// usage: filter_proxy SOCKET ENGINE-SOCKET NAMESPACE
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
)

const label = "berth.namespace"

type container map[string]json.RawMessage

func owner(c container) string {
	var labels map[string]string

	if json.Unmarshal(c["Labels"], &labels) != nil {
		return ""
	}
	return labels[label]
}

func filter(namespace string) func(*http.Response) error {
	return func(reply *http.Response) error {
		if reply.StatusCode != http.StatusOK ||
			!strings.HasSuffix(reply.Request.URL.Path, "/containers/json") {
			return nil
		}
		all, own := []container{}, []container{}
		if err := json.NewDecoder(reply.Body).Decode(&all); err != nil {
			return err
		}
		reply.Body.Close()
		for _, c := range all {
			if owner(c) == namespace {
				own = append(own, c)
			}
		}
		body, err := json.Marshal(own)
		if err != nil {
			return err
		}
		reply.Body = io.NopCloser(bytes.NewReader(body))
		reply.ContentLength = int64(len(body))
		reply.TransferEncoding = nil
		reply.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
}

func main() {
	socket, engine, namespace := os.Args[1], os.Args[2], os.Args[3]
	proxy := &httputil.ReverseProxy{
		Director: func(r *http.Request) {
			r.URL.Scheme, r.URL.Host = "http", "docker"
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", engine)
			},
			MaxIdleConnsPerHost: 256,
			DisableCompression:  true,
		},
		ModifyResponse: filter(namespace),
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, proxy))
}
